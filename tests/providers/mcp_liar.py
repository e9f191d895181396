"""A server that speaks MCP by hand and badly: its argument is the schema, as JSON, of its tools."""

import json
import sys

OUTPUT = {"type": "object", "properties": {"n": {"type": "integer"}, "text": {"pattern": "^(a+)+$"}}}


def send(message: dict) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def listed(name: str) -> dict:
    return {"name": name, "inputSchema": json.loads(sys.argv[1]), "outputSchema": OUTPUT}


def call(name: str, token: object) -> dict:
    structured: dict = {}
    if name == "progress":
        for step in (1, 2):
            told = {"progressToken": token, "progress": step, "total": 2, "message": f"step {step}"}
            send({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
    elif name == "long":
        sys.stdout.write("x" * 9_000_000 + "\n")
    elif name == "wrong":
        structured = {"n": "many"}
    elif name == "pattern":
        structured = {"text": "a" * 40 + "!"}
    return {"content": [{"type": "text", "text": "done"}], "structuredContent": structured}


def answer(request: dict) -> dict:
    params = request.get("params") or {}
    if request["method"] == "initialize":
        info = {"name": "liar", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if request["method"] == "tools/list":
        return {"tools": [listed(name) for name in ("progress", "long", "wrong", "pattern")]}
    return call(params["name"], (params.get("_meta") or {}).get("progressToken"))


sys.stdout.buffer.write(b"Welcome! \xff\xfe\n")
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] in ("initialize", "tools/list", "tools/call"):
        send({"jsonrpc": "2.0", "id": asked["id"], "result": answer(asked)})
    else:
        send({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "unknown"}})
