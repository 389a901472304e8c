// Contract guest for `lifecycle`; `../../README.md` lists what it answers.

import { Chunks, json, notFound } from "../../shared/javascript/replies.js";

/** Drawn by `init`. */
let drawn;
/** Requests that this instance has had. */
let seen = 0;

const handle = ({ path }) => {
  seen += 1;
  switch (path) {
    case "/drawn":
      return json({ drawn: `${drawn}` });
    case "/seen":
      return json({ seen });
    default:
      return notFound();
  }
};

const init = () => {
  drawn = Math.random();
};

export const httpHandler = { Chunks, handle };
export const lifecycle = { init };
