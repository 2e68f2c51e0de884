"""Memory does not grow with the size of what is packed or read."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import io, sys
import numpy as np
from mlarchive.package import Package
from tests.support.packages import folder_meaning
from mlarchive.package import PackageWriter, encode_documents
from mlarchive.records import File

MIB = int(sys.argv[1])
BLOCK = np.random.default_rng(0).standard_normal(1 << 20, np.float32).tobytes()
HEADER = b'{"w":{"dtype":"F32","shape":[],"data_offsets":[0,%d]}}' % (MIB << 20)

class Source(io.RawIOBase):
    '''A safetensors file in which no two slices are equal, made as it is read.'''
    at = -len(HEADER) - 8
    def readable(self): return True
    def readinto(self, buffer):
        if self.at < 0:
            data = (len(HEADER).to_bytes(8, "little") + HEADER)[self.at:]
        elif self.at >= MIB << 20:
            return 0
        else:
            number, inside = divmod(self.at, len(BLOCK))
            data = (number.to_bytes(8, "little") + BLOCK[8:])[inside:]
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        self.at += count
        return count

with open(sys.argv[2], "wb+") as out:
    with PackageWriter(out, threads=2) as writer:
        digest = writer.add(Source(), "w.safetensors")
        file = File(path="w.safetensors", size=digest.size, sha256=digest.sha256)
        writer.finish(encode_documents(folder_meaning([file])))
    out.seek(0)
    with Package.open(out) as package:
        assert package.verify().raw_bytes == digest.size > MIB << 20
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]))
"""


def peak(mib: int, path: Path) -> int:
    """Peak resident memory in KiB of packing and verifying a file of so many MiB."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(mib), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


def test_memory_is_bounded_and_does_not_grow_with_the_file(tmp_path: Path) -> None:
    small = peak(128, tmp_path / "small.mlpkg")
    large = peak(320, tmp_path / "large.mlpkg")
    (tmp_path / "large.mlpkg").unlink()
    assert large < 400 << 10
    assert large - small < 48 << 10
