"""PRelu of an ONNX model, written in operators that onnxruntime vectorises; its own PRelu is not."""

from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

# What is needed of ONNX's messages (onnx.proto, Apache-2.0): protobuf keeps the fields that are not named here.
_SCHEMA = {
    "name": "facewitness/onnx.proto",
    "package": "facewitness",
    "messageType": [
        {
            "name": "Node",
            "field": [
                {"name": "input", "number": 1, "label": "LABEL_REPEATED", "type": "TYPE_STRING"},
                {"name": "output", "number": 2, "label": "LABEL_REPEATED", "type": "TYPE_STRING"},
                {"name": "operator", "number": 4, "label": "LABEL_OPTIONAL", "type": "TYPE_STRING"},
            ],
        },
        {
            "name": "Graph",
            "field": [
                {"name": "node", "number": 1, "label": "LABEL_REPEATED", "typeName": "Node", "type": "TYPE_MESSAGE"}
            ],
        },
        {
            "name": "Model",
            "field": [
                {"name": "graph", "number": 7, "label": "LABEL_OPTIONAL", "typeName": "Graph", "type": "TYPE_MESSAGE"}
            ],
        },
    ],
}


def expanded(model: bytes) -> bytes:
    """The model with max(x, 0) + slope * min(x, 0) for every PRelu; its outputs are the same to the last bit."""
    message = _model()()
    message.ParseFromString(model)
    nodes = list(message.graph.node)
    del message.graph.node[:]
    for node in nodes:
        if node.operator != "PRelu":
            message.graph.node.append(node)
            continue
        (x, slope), (y,) = node.input, node.output
        above, below, scaled = (f"{y}/{part}" for part in ("above", "below", "scaled"))
        message.graph.node.add(operator="Relu", input=[x], output=[above])
        message.graph.node.add(operator="Sub", input=[x, above], output=[below])
        message.graph.node.add(operator="Mul", input=[below, slope], output=[scaled])
        message.graph.node.add(operator="Add", input=[above, scaled], output=[y])
    return bytes(message.SerializeToString())


@lru_cache(maxsize=1)
def _model() -> Any:
    """The class of the message of a whole model."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.ParseDict(_SCHEMA, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("facewitness.Model"))
