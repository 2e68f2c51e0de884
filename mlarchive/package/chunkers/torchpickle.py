"""Element types and sizes of the tensors in a torch file, from its pickle, which is never executed.

`pickletools.genops` lists a pickle's instructions without running any. They are followed on a stack
of texts, numbers and tuples; everything else is a blank. A tensor's bytes are named by a persistent
id, a tuple ("storage", class, key, device, length); the class tells the dtype, or for untyped
storages the call of `_rebuild_tensor_v3` that takes them. A wrong guess costs compression only.
"""

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from mlarchive.package.chunkers.tensors import SIZE_MAX, Tensor, element_size

if TYPE_CHECKING:
    from pickletools import OpcodeInfo

PICKLE_MAX = 4 << 20
"""The longest pickle that is looked at, in bytes."""

INSTRUCTIONS_MAX = 1 << 20
"""How many of its instructions are followed; a tensor has about 45."""

_NAME_MAX = 200
_UNTYPED = "U8"
_STORAGES: Mapping[str, str] = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "ComplexDoubleStorage": "C128",
    "ComplexFloatStorage": "C64",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "QInt32Storage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "QInt8Storage": "I8",
    "ByteStorage": "U8",
    "QUInt8Storage": "U8",
    "BoolStorage": "BOOL",
    "UntypedStorage": _UNTYPED,
}
_DTYPES: Mapping[str, str] = {
    "torch float64": "F64",
    "torch float32": "F32",
    "torch float16": "F16",
    "torch bfloat16": "BF16",
    "torch float8_e4m3fn": "F8_E4M3",
    "torch float8_e4m3fnuz": "F8_E4M3FNUZ",
    "torch float8_e5m2": "F8_E5M2",
    "torch float8_e5m2fnuz": "F8_E5M2FNUZ",
    "torch float8_e8m0fnu": "F8_E8M0",
    "torch complex128": "C128",
    "torch complex64": "C64",
    "torch complex32": "C32",
    "torch int64": "I64",
    "torch uint64": "U64",
    "torch int32": "I32",
    "torch uint32": "U32",
    "torch int16": "I16",
    "torch uint16": "U16",
    "torch int8": "I8",
    "torch bool": "BOOL",
}
_PUTS = frozenset({"BINPUT", "LONG_BINPUT", "PUT"})
_GETS = frozenset({"BINGET", "LONG_BINGET", "GET"})
_TUPLES = frozenset({"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})


def storages(pickle: bytes) -> Mapping[str, Tensor]:
    """The storages that a pickle names, by key; empty where it is none or names none."""
    import pickletools

    trace = _Trace()
    try:
        for instruction, argument, _ in islice(pickletools.genops(pickle), INSTRUCTIONS_MAX):
            trace.step(instruction, argument)
    except (ValueError, LookupError):
        # A broken pickle tells what it told before it broke.
        pass
    return trace.found


class _Mark:
    """Stands on the stack where a pickle puts its mark."""


class _Trace:
    """The stack and memo of a pickle, as far as they matter here."""

    def __init__(self) -> None:
        self.found: dict[str, Tensor] = {}
        self._stack: list[object] = []
        self._memo: dict[object, object] = {}

    def step(self, instruction: "OpcodeInfo", argument: object) -> None:
        name = instruction.name
        if name in _PUTS:
            self._memo[argument] = self._stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name in _GETS:
            self._stack.append(self._memo.get(argument))
        elif name == "MARK":
            self._stack.append(_Mark())
        else:
            taken = self._pop(instruction)
            if instruction.stack_after:
                self._stack.append(self._result(name, argument, taken))

    def _pop(self, instruction: "OpcodeInfo") -> list[object]:
        """What an instruction takes from the stack, lowest first, without the mark."""
        names = [kind.name for kind in instruction.stack_before]
        taken: list[object] = []
        if "mark" in names:
            while not isinstance(top := self._stack.pop(), _Mark):
                taken.append(top)
            names = names[: names.index("mark")]
        taken.extend(self._stack.pop() for _ in names)
        return taken[::-1]

    def _result(self, name: str, argument: object, taken: list[object]) -> object:
        if name in _TUPLES:
            return tuple(taken)
        if name == "BINPERSID":
            return self._storage(taken[0])
        if name == "REDUCE":
            self._rebuilt(taken)
        elif name == "STACK_GLOBAL":
            match taken:
                # Without a limit a short pickle could double a name at every step.
                case [str(module), str(attribute)] if len(module) + len(attribute) < _NAME_MAX:
                    return f"{module} {attribute}"
        elif not taken:
            return argument
        return None

    def _storage(self, persistent_id: object) -> Tensor | None:
        match persistent_id:
            case ("storage", str(kind), str(key), _, int(count), *_):
                dtype = _STORAGES.get(kind.rpartition(" ")[2], "")
                size = count * element_size(dtype)
                if 0 < size <= SIZE_MAX:
                    return self.found.setdefault(key, Tensor(key, dtype, size))
        return None

    def _rebuilt(self, call: list[object]) -> None:
        match call:
            case [
                "torch._utils _rebuild_tensor_v3",
                (Tensor(dtype=known) as tensor, _, _, _, _, _, str(dtype), *_),
            ] if known == _UNTYPED and dtype in _DTYPES:
                self.found[tensor.name] = Tensor(tensor.name, _DTYPES[dtype], tensor.size)
