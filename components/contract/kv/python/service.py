"""Contract guest for `kv`: runs what a JSON command says, so that cases need no code.
`../../README.md` is the protocol.
"""

import contract
import wharf
from contract import Json, required
from wharf import Abort, Request, Response
from wit_world.imports import kv


@wharf.service
def handle(request: Request) -> Response:
    return contract.run(request, run)


def run(path: str, command: Json) -> Json | None:
    bucket = kv.Bucket.open(command.get("bucket", "cache"))
    match path:
        case "/open":
            return {"opened": True}
        case "/features":
            return {"features": [feature.name.lower() for feature in bucket.features()]}
        case "/get":
            return {"entry": entry(bucket.get(required(command, "key")))}
        case "/get-many":
            return {"entries": [entry(found) for found in bucket.get_many(command.get("keys", []))]}
        case "/put":
            return {"version": bucket.put(put_item(command), condition(command))}
        case "/put-many":
            bucket.put_many([put_item(item) for item in command.get("items", [])])
            return {"stored": True}
        case "/delete":
            return {"deleted": bucket.delete(required(command, "key"), condition(command))}
        case "/increment":
            sum = bucket.increment(increment_item(command), command.get("initial", 0), command.get("ttl_ms"))
            return {"sum": sum}
        case "/scan":
            page = bucket.scan(scan_options(command))
            return {"entries": [(key, entry(found)) for key, found in page.entries], "next": page.next}
        case "/transact":
            checks = [kv.Check(required(it, "key"), condition(it)) for it in command.get("checks", [])]
            mutations = [mutation(it) for it in command.get("mutations", [])]
            return {"version": bucket.transact(checks, mutations)}
    return None


def entry(found: kv.Entry | None) -> Json | None:
    if found is None:
        return None
    return contract.named(found.value) | {"version": found.version, "expires_at": found.expires_at}


def put_item(command: Json) -> kv.PutItem:
    return kv.PutItem(required(command, "key"), contract.content(command), command.get("ttl_ms"))


def increment_item(command: Json) -> kv.IncrementItem:
    return kv.IncrementItem(required(command, "key"), command.get("delta", 1))


def condition(command: Json) -> kv.Condition:
    match command.get("condition", "always"):
        case "always":
            return kv.Condition_Always()
        case "if-absent":
            return kv.Condition_IfAbsent()
        case "if-present":
            return kv.Condition_IfPresent()
        case int(version):
            return kv.Condition_IfVersion(version)
        case other:
            raise Abort(400, f"no condition {other}")


def mutation(command: Json) -> kv.Mutation:
    match command.get("op"):
        case "put":
            return kv.Mutation_Put(put_item(command))
        case "delete":
            return kv.Mutation_Delete(required(command, "key"))
        case "increment":
            return kv.Mutation_Increment(increment_item(command))
    raise Abort(400, f"a mutation's `op` is put, delete or increment: {command}")


def scan_options(command: Json) -> kv.ScanOptions:
    return kv.ScanOptions(
        prefix=command.get("prefix", ""),
        start=command.get("start"),
        end=command.get("end"),
        reverse=command.get("reverse", False),
        keys_only=command.get("keys_only", False),
        limit=command.get("limit", 100),
        cursor=command.get("cursor"),
    )
