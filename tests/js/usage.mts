// Every part of the public API as a page would use it. It is checked and never
// run; a line marked as an error must be one.

import {
  Client, ClientOptions, connect, Error as QmqError, LongPollingTransport, Message, StreamingTransport,
  Subscription, TransportKind, WebSocketTransport,
} from 'qmq';
import {FakeTransport} from 'qmq/testing';

const options: ClientOptions = {
  token: () => Promise.resolve('abc'),
  headers: {k: 'v'},
  maxQueued: 10,
  heartBeat: 10000,
  onstate: (state) => state === 'open',
  onerror: (error) => error.retry && error.code + error.detail + error.message,
  transports: [WebSocketTransport, StreamingTransport, LongPollingTransport],
};
const client: Client = connect('/stomp', options);
new Client('wss://example.org/stomp');

const stop: () => void = client.on('state', (state) => state.length);
client.on('error', (error: QmqError) => error instanceof Error);
client.onstate = null;
stop();

const sub: Subscription = client.subscribe('/topic/prices.*', (m: Message) => {
  const all: [string, string, string, Uint8Array, any, string] =
      [m.destination, m.id, m.headers['k'], m.bytes(), m.json(), m.text()];
  all.reverse();
}, {maxMessages: 100, maxBytes: 65536, overflow: 'conflate', conflateKey: 'symbol', from: 'earliest'});
sub.onrecovered = (isWhole: boolean) => client.transport === (isWhole ? 'websocket' : '');
sub.onerror = (error: QmqError) => error.code === 'forbidden';
client.subscribe('/topic/b', () => {}, {onerror: (error) => error.detail, headers: {n: 5, b: true}});
client.publish('/topic/b', new Blob(['x']));
client.subscribe('/topic/a', () => {}, {cursor: sub.cursor, onrecovered: (isWhole) => !isWhole});

client.subscribe('/queue/jobs', async (m) => {
  if (m.redelivered) await m.nack({requeue: false});
  else if (m.headers['reply-to']) await m.reply({done: true}, {k: 'v'});
  else if (m.text()) await m.nack();
  await m.ack();
}, {ack: 'client-individual', prefetch: 10});

async function run(): Promise<void> {
  const reply: Message = await client.request('/queue/sums', [1, 2], {timeout: 500, headers: {k: 'v'}});
  await client.request('/manage/stats').then((m) => m.json(), (e: QmqError) => e.code === 'request-timeout');
  await reply.reply();
  const granted = await sub.ready;
  const cursor: string | undefined = granted.cursor;
  const prefetch: number | undefined = granted.prefetch;
  await client.publish('/topic/chat', {text: cursor, bound: granted.maxMessages, prefetch});
  await client.publish('/topic/chat', Uint8Array.of(1), {contentType: 'image/png', receipt: false});
  await sub.unsubscribe();
  client.dispose();
  const end: QmqError = await client.closed;
  if (end.code === 'closed') return;

  const fake = new FakeTransport();
  const kind: TransportKind = fake;
  connect('/stomp', {transports: [kind]});
  (await fake.accept()).headers.get('login');
  fake.answer(fake.takeSent(), {cursor: 'c'});
  fake.message('0', '/topic/a', 'hi');
  fake.reply(fake.takeSent(), 'hi', {k: 'v'});
  fake.drop(4000, 'slow');
  await fake.refuse(1013);
}

// @ts-expect-error no such policy
client.subscribe('/topic/a', () => {}, {overflow: 'explode'});
// @ts-expect-error no such way to settle
client.subscribe('/queue/a', () => {}, {ack: 'auto-settle'});
// @ts-expect-error no such event
client.on('message', () => {});
// @ts-expect-error the state is the client's own
client.state = 'open';
// @ts-expect-error a header is text, a number or a truth value
client.publish('/topic/a', 'x', {headers: {k: null}});
// @ts-expect-error a token is a function
connect('/stomp', {token: 'abc'});

export {run};
