"""Dynamic values of MLflow's protocols as JSON values, and back.

Assessments use Google's `Value`, in which every number is a float; spans use OpenTelemetry's
`AnyValue`, which tells integers from floats.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Value
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def plain_value(value: Value) -> Any:  # noqa: ANN401  (any JSON value)
    """What a protocol's dynamic value says."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: plain_value(item) for name, item in value.struct_value.fields.items()}
        case "list_value":
            return [plain_value(item) for item in value.list_value.values]
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)


def fill_value(target: Value, value: Any) -> None:  # noqa: ANN401  (any JSON value)
    """Make a dynamic value say something."""
    match value:
        case None:
            target.null_value = 0
        case bool():
            target.bool_value = value
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case list():
            target.list_value.SetInParent()
            for item in value:
                fill_value(target.list_value.values.add(), item)
        case _:
            target.struct_value.SetInParent()
            for name, item in value.items():
                fill_value(target.struct_value.fields[name], item)


def plain_pairs(pairs: Any) -> dict[str, Any]:  # noqa: ANN401  (a repeated message)
    """The attributes of a span, an event or a link."""
    return {pair.key: _known(pair.value) for pair in pairs}


def _known(value: AnyValue) -> Any:  # noqa: ANN401  (any JSON value)
    """What OpenTelemetry's dynamic value says; bytes as base64."""
    match value.WhichOneof("value"):
        case "kvlist_value":
            return plain_pairs(value.kvlist_value.values)
        case "array_value":
            return [_known(item) for item in value.array_value.values]
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case None:
            return None
        case kind:
            return getattr(value, kind)


def pairs_message(values: Mapping[str, Any]) -> list[KeyValue]:
    """The attributes of an event or a link, to be sent."""
    return [KeyValue(key=name, value=any_message(value)) for name, value in values.items()]


def any_message(value: Any) -> AnyValue:  # noqa: ANN401  (any JSON value)
    """OpenTelemetry's dynamic value of a JSON value."""
    message = AnyValue()
    match value:
        case None:
            pass
        case bool():
            message.bool_value = value
        case str():
            message.string_value = value
        case int() if -(2**63) <= value < 2**63:
            message.int_value = value
        case int():
            message.string_value = str(value)
        case float():
            message.double_value = value
        case list():
            message.array_value.SetInParent()
            message.array_value.values.extend(any_message(item) for item in value)
        case _:
            message.kvlist_value.SetInParent()
            message.kvlist_value.values.extend(pairs_message(value))
    return message


def kept_attribute(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    """An attribute as it must be sent to be kept: servers take JSON text for what it says."""
    if not isinstance(value, str):
        return value
    try:
        inner = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(inner, str | dict | list) else value
