// Uses the compiled client as a page does, in node, on a WebSocket made here:
// whatever the compiler renamed and should not have, is undefined here.
//
//     node tests/js/dist_use.cjs      exits 0, or with what went wrong

'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const DIST = path.join(__dirname, '../../js/dist');
const RECEIPT = /\nreceipt:(\d+)\n/;

/** A server in one class: lets everybody in and sends back what it is sent. */
class EchoSocket {
  constructor(url, protocols) {
    Object.assign(this, {url, protocols});
    EchoSocket.last = this;
    queueMicrotask(() => this.onopen());
  }

  send(data) {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    const answers = {
      CONNECT: () => 'CONNECTED\nversion:1.2\n\n\0',
      SUBSCRIBE: () => `RECEIPT\nreceipt-id:${RECEIPT.exec(text)[1]}\nmax-messages:7\ncursor:c\n\n\0`,
      SEND: () => `MESSAGE\nsubscription:0\ndestination:/topic/a\nmessage-id:m\n\n` +
          `${text.slice(text.indexOf('\n\n') + 2)}RECEIPT\nreceipt-id:${RECEIPT.exec(text)[1]}\n\n\0`,
      UNSUBSCRIBE: () => `ERROR\ncode:unknown-id\nmessage:No\nretry:false\n` +
          `receipt-id:${RECEIPT.exec(text)[1]}\n\nwhich\0`,
      DISCONNECT: () => '',
    };
    this.onmessage({data: answers[text.slice(0, text.indexOf('\n'))]()});
  }

  close() {
    EchoSocket.last.isClosed = true;
  }
}

async function useClient(qmq) {
  const states = [];
  const client = qmq.connect('https://h/stomp', {token: async () => 't', onstate: (s) => states.push(s)});
  client.on('state', (s) => states.push(s));
  assert.equal(client.state, 'connecting');
  assert.ok(client instanceof qmq.Client);
  const seen = [];
  const sub = client.subscribe('/topic/a', (m) => seen.push(m), {maxMessages: 9});
  await client.publish('/topic/a', {b: 1}, {headers: {k: 'v'}, contentType: 'application/x'});
  assert.equal(EchoSocket.last.url, 'wss://h/stomp');
  assert.deepEqual(EchoSocket.last.protocols, ['v12.stomp']);
  const granted = await sub.ready;
  assert.deepEqual([granted.maxMessages, granted.cursor], [7, 'c']);
  const [m] = seen;
  assert.deepEqual([m.destination, m.id, m.headers['message-id']], ['/topic/a', 'm', 'm']);
  assert.deepEqual([m.text(), m.json(), m.bytes().length], ['{"b":1}', {b: 1}, 7]);
  await assert.rejects(sub.unsubscribe(), {code: 'unknown-id', message: 'No', detail: 'which', retry: false});
  assert.ok(await client.closed instanceof qmq.Error);
  assert.deepEqual(states, ['open', 'open', 'closed', 'closed']);
  client.dispose();
}

async function useTesting(qmq, testing) {
  const fake = new testing.FakeTransport();
  const errors = [];
  const client = new qmq.Client('http://h/stomp', {login: 'a', passcode: 'b', transports: [fake]});
  client.onerror = (error) => errors.push(error.code);
  assert.equal((await fake.accept()).headers.get('passcode'), 'b');
  assert.equal(fake.url, 'http://h/stomp');
  const seen = [];
  client.subscribe('/topic/a', (m) => seen.push(m.text()));
  fake.answer(fake.takeSent(), {cursor: 'c'});
  fake.message('0', '/topic/a', 'hi');
  const work = [];
  client.subscribe('/queue/a', (m) => work.push(m), {ack: 'client-individual', prefetch: 3});
  const subscribe = fake.takeSent();
  assert.deepEqual([subscribe.headers.get('ack'), subscribe.headers.get('prefetch-count')], ['client-individual', '3']);
  for (const ack of ['1.1', '1.2']) {
    const asked = {ack, redelivered: 'true', 'reply-to': '/temp-queue/x', 'correlation-id': '7'};
    fake.message('1', '/queue/a', 'x', asked);
  }
  assert.ok(work[0].redelivered);
  work[0].reply({b: 1}, {k: 'v'});
  const reply = fake.takeSent().headers;
  assert.deepEqual([reply.get('destination'), reply.get('correlation-id'), reply.get('k')], ['/temp-queue/x', '7', 'v']);
  work[0].ack();
  work[1].nack({requeue: false});
  const [ack, nack] = fake.takeAllSent();
  assert.deepEqual([ack.command, ack.headers.get('id')], ['ACK', '1.1']);
  assert.deepEqual([nack.command, nack.headers.get('requeue')], ['NACK', 'false']);
  await assert.rejects(work[0].ack(), {code: 'unknown-delivery'});
  const asked = client.request('/queue/b', 'x', {timeout: 5000, headers: {k: 'v'}, contentType: 'text/x'});
  fake.reply(fake.takeSent(), 'y');
  assert.equal((await asked).text(), 'y');
  await assert.rejects(client.request('/queue/b', 'x', {timeout: 1}), {code: 'request-timeout'});
  fake.drop(4000, 'slow');
  assert.deepEqual([seen, errors, fake.isOpen, fake.opens], [['hi'], ['slow-consumer'], false, 1]);
}

/** SockJS as a transport: what the compiler named must be what the client asks for. */
async function useSockJs(qmq, sockjs) {
  class EchoSockJs extends EchoSocket {
    send(text) {
      assert.equal(typeof text, 'string');
      super.send(text);
    }
  }
  const client = qmq.connect('https://h/stomp', {transports: [sockjs.transport(EchoSockJs)]});
  const seen = [];
  client.subscribe('/topic/a', (m) => seen.push(...m.bytes()));
  await client.publish('/topic/a', 'ä');
  assert.deepEqual([client.transport, EchoSocket.last.url, seen], ['sockjs', 'https://h/sockjs', [0xc3, 0xa4]]);
  client.dispose();
}

/** As a script tag loads it: no module, no require. */
function asScriptTag(...names) {
  const page = vm.createContext({TextDecoder, TextEncoder, URL, clearTimeout, setTimeout, WebSocket: EchoSocket});
  for (const name of names) vm.runInContext(fs.readFileSync(path.join(DIST, name), 'utf8'), page);
  return page.qmq;
}

async function main() {
  globalThis.WebSocket = EchoSocket;
  const required = ['qmq.js', 'qmq-testing.js', 'qmq-sockjs.js'].map((name) => require(path.join(DIST, name)));
  const imported = [await import('qmq'), await import('qmq/testing'), await import('qmq/sockjs')];
  for (const all of imported) assert.deepEqual({...all, default: undefined}, {...all.default, default: undefined});
  const global = asScriptTag('qmq.js', 'qmq-testing.js', 'qmq-sockjs.js');
  for (const [qmq, testing, sockjs] of [required, imported, [global, global.testing, global.sockjs]]) {
    assert.deepEqual(Object.keys(qmq).filter((k) => !['default', 'testing', 'sockjs'].includes(k)).sort(),
        ['Client', 'Error', 'LongPollingTransport', 'StreamingTransport', 'WebSocketTransport',
          'connect']);
    await useClient(qmq);
    await useTesting(qmq, testing);
    await useSockJs(qmq, sockjs);
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
