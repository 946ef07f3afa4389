// The first events of a stream through Node's own client, which takes no head that is not strictly
// right. Argument: the stream's address.

import assert from "node:assert/strict";

const gone = new AbortController();
setTimeout(() => gone.abort(new Error("late")), 10_000).unref();
const answer = await fetch(process.argv[2], { signal: gone.signal });
assert.equal(answer.status, 200);
assert.equal(answer.headers.get("content-length"), null);
let text = "";
for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
  text += piece;
  if (/^event: stock\ndata: /m.test(text)) break;
}
assert.match(text, /^event: drop\ndata: {/);
console.log("the first events of a drop: fine");
