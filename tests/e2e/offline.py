"""The wheelhouse, carried into a network namespace that has no network: `make offline`.

    python -m tests.e2e.offline dist/mlarchive-…-offline-….tar

There mlarchive is installed from it, as its page says, verifies and extracts a signed package, and
unpacks a model that travels with its environment, which is installed, and predicts.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression

from mlarchive.pack import pack_file
from mlarchive.trust.signing import signatures_by
from tests.support import snapshots
from tests.support.command import mlarchive
from tests.support.signing import LAB, key_table, policy_text

STEPS = """
set -euo pipefail
{python} - <<'END'
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print("no network:", error)
else:
    raise SystemExit("there is a network here")
END
tar -xf offline.tar
cd mlarchive-offline
sha256sum --check --quiet SHA256SUMS
{python} -m venv ../place
../place/bin/pip install --quiet --no-index --find-links wheels mlarchive
cd ..
place/bin/mlarchive --version
place/bin/mlarchive verify wine.mlpkg --trust policy.toml
place/bin/mlarchive extract wine.mlpkg --trust policy.toml -C wine
place/bin/mlarchive verify line.mlpkg
place/bin/mlarchive unpack line.mlpkg dir:unpacked
cd unpacked
{python} -m venv ../model-place
../model-place/bin/pip install --quiet --no-index --find-links wheels -r requirements.txt
../model-place/bin/python predict.py | tee ../prediction.json
"""

PREDICT = """\
import json

import joblib

model = joblib.load("model.joblib")
print(json.dumps(model.predict([[10.0, 1.0], [0.0, -2.0]]).tolist()))
"""


def pack_model(folder: Path) -> list[float]:
    """Pack a trained model with the wheels that it asks for; what it predicts here."""
    place = folder / "line"
    place.mkdir()
    inputs = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, -1.0]])
    model = LinearRegression().fit(inputs, inputs @ [2.0, -3.0] + 0.5)
    joblib.dump(model, place / "model.joblib")
    (place / "predict.py").write_text(PREDICT, encoding="utf-8")
    wanted = ("scikit-learn", "joblib", "numpy")
    requirements = "".join(f"{name}=={version(name)}\n" for name in wanted)
    (place / "requirements.txt").write_text(requirements, encoding="utf-8")
    index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    words = ("pack", "dir:line", "-o", "line.mlpkg", "--with-wheels")
    done = mlarchive(*words, cwd=folder, env=index)
    assert done.status == 0, done.err
    shutil.rmtree(place)
    predicted: list[float] = model.predict([[10.0, 1.0], [0.0, -2.0]]).tolist()
    return predicted


def main(archive: Path) -> None:
    """Carry it over, and see that it works."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copy(archive, folder / "offline.tar")
        pack_file(
            snapshots.model_version(),
            folder / "wine.mlpkg",
            packed_at=1,
            signatures=signatures_by([LAB]),
        )
        policy = policy_text(key_table(LAB, "lab"))
        (folder / "policy.toml").write_text(policy, encoding="utf-8")
        predicted = pack_model(folder)
        # What installed this environment must not help there.
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null"}
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}")
        subprocess.run(
            ["unshare", "--map-root-user", "--net", "bash", "-c", STEPS.format(python=base)],
            cwd=folder,
            env={**environment, "HOME": scratch},
            check=True,
            timeout=600,
        )
        files = {path.name for path in (folder / "wine").rglob("*") if path.is_file()}
        assert "model.pkl" in files, files
        there = json.loads((folder / "prediction.json").read_bytes())
        assert np.allclose(there, predicted, rtol=1e-12, atol=1e-12), (there, predicted)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
