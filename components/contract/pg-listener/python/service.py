"""Contract guest for `pg-listener`: writes down what it is called with, and fails when it is told to.
`../../README.md` is the protocol.
"""

import contract
import wharf
from events import Events, fail
from wharf import Request, Response
from wit_world.exports.pg_listener import Notification
from wit_world.imports import pg_client

# The channel of the manifest.
CHANNEL = "contract_events"


@wharf.listener
class Recorder(wharf.Listener):
    def on_notify(self, notification: Notification) -> None:
        Events().add({
            "database": notification.database,
            "channel": notification.channel,
            "payload": notification.payload,
            "sender": notification.sender > 0,
        })
        fail(notification.payload)

    def on_listening(self, database: str, missed: bool) -> None:
        Events().add({"database": database, "missed": missed})


@wharf.service
def handle(request: Request) -> Response:
    match request.method, request.path:
        case "GET", "/events":
            return Response.json({"events": [*Events()]})
        case "POST", "/notify":
            command = request.json()
            channel, payload = command.get("channel", CHANNEL), command.get("payload", "")
            pg_client.Database.open("main").notify(channel, payload)
            return Response.json({"notified": True})
    return contract.not_found()
