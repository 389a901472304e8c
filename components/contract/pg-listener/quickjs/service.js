// Contract guest for `pg-listener`, for both engines: writes down what it is called with, and fails when it is told to.
// `../../README.md` is the protocol.

import { Database } from "wharf:platform/pg-client@0.1.0";
import { answer } from "../../shared/javascript/commands.js";
import { events, fail, fails, record } from "../../shared/javascript/events.js";
import { Chunks, json, notFound } from "../../shared/javascript/replies.js";

const notify = ({ channel = "contract_events", payload = "" }) => {
  Database.open("main").notify(channel, payload);
  return { notified: true };
};

const handle = ({ method, path }, body) => {
  switch (`${method} ${path}`) {
    case "GET /events":
      return json({ events: events() });
    case "POST /notify":
      return answer(body, notify);
    default:
      return notFound();
  }
};

const onListening = (database, missed) => record({ database, missed });

const onNotify = ({ database, channel, payload, sender }) => {
  record({ database, channel, payload, sender: sender > 0 });
  if (fails(payload)) fail(payload);
};

export const httpHandler = { Chunks, handle };
export const pgListener = { onListening, onNotify };
