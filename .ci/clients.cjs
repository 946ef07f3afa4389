// The calls of docs/protocol.md through ioredis, in both protocols. Arguments: the port and, where
// the service has keys and TLS, the certificate's file, a key's name and its secret.

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const Redis = require("ioredis");

const [port, certificate, username, password] = process.argv.slice(2);
const guarded = certificate && {
  host: "localhost",
  tls: { ca: readFileSync(certificate) },
  username,
  password,
};

/** A RESP3 map, or the flat array of RESP2, as an object. */
function pairs(reply) {
  if (!Array.isArray(reply)) return reply;
  const object = {};
  for (let i = 0; i < reply.length; i += 2) object[reply[i]] = reply[i + 1];
  return object;
}

/** A client that gives up at once, connected and past its ready check. */
async function connected(options) {
  const client = new Redis({ port, ...guarded, lazyConnect: true, retryStrategy: null, ...options });
  client.on("error", () => {}); // the promise tells it
  await client.connect();
  return client;
}

async function check(protocol, replyMapping) {
  const shop = await connected({ protocol, replyMapping });
  const customer = `js-${protocol}-${replyMapping}`;
  const take = (units, ...more) =>
    shop.call("DROP.HOLD", "shop-1", customer, 1, "onion-3kg", units, "KEY", "order-77", ...more);
  const hold = pairs(await take(1));
  assert.deepEqual([hold.state, hold.replayed], ["held", 0]);
  assert.equal(Array.isArray(await take(1)), replyMapping === "legacy");
  const again = pairs(await take(1));
  assert.deepEqual([again.id, again.replayed], [hold.id, 1]);
  assert.equal(await take(1, "BRIEF"), hold.id);
  await assert.rejects(take(2), /^ReplyError: KEYREUSED/);
  assert.equal(await take(2, "BRIEF"), "KEYREUSED");
  const confirmed = pairs(await shop.call("DROP.CONFIRM", hold.id, "toss-9"));
  assert.deepEqual([confirmed.state, confirmed.payment], ["confirmed", "toss-9"]);
  const [found] = await shop.call("DROP.FIND", "shop-1", customer);
  assert.equal(pairs(found).id, hold.id);

  const many = shop.pipeline();
  for (let number = 0; number < 100; number++) {
    many.call("DROP.HOLD", "shop-1", `${customer}-${number}`, 1, "onion-3kg", 1, "BRIEF");
  }
  const replies = await many.exec();
  assert.ok(replies.every(([refused]) => refused === null));
  assert.equal(new Set(replies.map(([, id]) => id)).size, 100);
  const stock = pairs((await shop.call("DROP.STOCK", "shop-1", "onion-3kg"))[0]);
  assert.equal(stock.available + stock.held + stock.sold, stock.total);
  await shop.quit();
}

/** Resolves to what comes within 10 s, or fails. */
function soon(promise, what) {
  const late = new Promise((_, reject) => setTimeout(reject, 10_000, new Error(`late: ${what}`)).unref());
  return Promise.race([promise, late]);
}

/** What a page of the drop is told while somebody buys, on a connection of its own. */
async function watch(protocol) {
  const [shop, page] = await Promise.all([connected({ protocol }), connected({ protocol })]);
  const told = [];
  let wake = () => {};
  page.on("message", (channel, message) => {
    assert.equal(channel, "drop:shop-1");
    told.push(JSON.parse(message));
    wake();
  });
  const until = async (seen, what) => {
    while (!seen()) await soon(new Promise((resolve) => (wake = resolve)), what);
  };
  assert.equal(await page.subscribe("drop:shop-1"), 1);
  await until(() => told.length >= 3, "the first messages");
  assert.deepEqual(told.slice(0, 3).map(({ event }) => event), ["drop", "phase", "stock"]);
  await shop.call("DROP.HOLD", "shop-1", `js-${protocol}-watched`, 1, "onion-3kg", 1);
  const { held } = pairs((await shop.call("DROP.STOCK", "shop-1", "onion-3kg"))[0]);
  const isNow = ({ event, data }) => event === "stock" && data.items[0].held === held;
  await until(() => told.some(isNow), "the stock of now");
  assert.equal(await page.unsubscribe("drop:shop-1"), 0);
  assert.equal(await page.ping(), "PONG");
  await Promise.all([shop.quit(), page.quit()]);
}

async function refused() {
  const stranger = { password: "jt_wrong", retryStrategy: null };
  await assert.rejects(connected(stranger).then((client) => client.call("DROP.LIST")), /WRONGPASS|closed/);
}

async function main() {
  for (const [protocol, mapping] of [[2, "legacy"], [3, "legacy"], [3, "resp3"]]) {
    await check(protocol, mapping);
  }
  for (const protocol of [2, 3]) await watch(protocol);
  if (guarded) await refused();
  const { version } = require("ioredis/package.json");
  console.log(`ioredis ${version}${guarded ? " over TLS, with a key" : ""}, RESP2 and RESP3, subscribed: fine`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
