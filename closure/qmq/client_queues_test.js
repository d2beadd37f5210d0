/** @fileoverview Tests of qmq.Client: requests, and messages of work queues. */

goog.module('qmq.ClientQueuesTest');
goog.setTestOnly();

const Client = goog.require('qmq.Client');
const FakeTransport = goog.require('qmq.testing.FakeTransport');
const testSuite = goog.require('goog.testing.testSuite');

let fake;
let client;
/** The messages that came. */
let seen;

/** Subscribes to a queue, and has three messages come. */
function work(options) {
  const sub = client.subscribe('/queue/a', (m) => seen.push(m), options);
  fake.answer(fake.takeSent(), {'prefetch-count': '10'});
  for (const tag of ['1', '2', '3']) {
    fake.message('0', '/queue/a', tag, {'ack': '1.' + tag});
  }
  return sub;
}

function sent() {
  return fake.takeAllSent().map((frame) => {
    const {headers} = frame;
    return [frame.command, headers.get('id'), headers.get('requeue') || ''].join(' ').trim();
  });
}

async function code(promise) {
  return (await assertRejects(promise)).code;
}

testSuite({
  async setUp() {
    fake = new FakeTransport();
    client = new Client('/stomp', {transports: [fake]});
    seen = [];
    await fake.accept();
  },

  tearDown() {
    client.dispose();
  },

  async testARequestResolvesWithItsReply() {
    const one = client.request('/queue/sums', [1, 2]);
    const first = fake.takeSent();
    const other = client.request('/queue/sums', [3, 4], {headers: {'k': 'v'}});
    const second = fake.takeSent();
    assertEquals('v', second.headers.get('k'));
    fake.answer(first);
    fake.reply(second, '7');
    fake.reply(first, '3', {'code': 'x'});
    fake.reply(first, 'twice');
    assertEquals(7, (await other).json());
    const reply = await one;
    assertEquals(3, reply.json());
    assertEquals('x', reply.headers['code']);
    assertEquals('unknown-delivery', await code(reply.ack()));
  },

  async testARequestTimesOutAndItsLateReplyIsDropped() {
    const late = client.request('/queue/a', 'x', {timeout: 1});
    const frame = fake.takeSent();
    assertEquals('request-timeout', await code(late));
    fake.reply(frame, 'late');
    assertEquals('open', client.state);
  },

  async testTheEndOfTheConnectionRejectsRequests() {
    const waiting = client.request('/queue/a', 'x');
    fake.takeSent();
    fake.drop(1012, 'shutting-down');
    assertEquals('connection-lost', await code(waiting));
    const next = client.request('/queue/a', 'y');
    await fake.accept();
    fake.reply(fake.takeSent(), 'z');
    assertEquals('z', (await next).text());
  },

  async testOnlyTheRequestThatIsToBlameGetsTheError() {
    const bad = code(client.request('nowhere', 'x'));
    const frame = fake.takeSent();
    const good = code(client.request('/queue/a', 'x'));
    fake.receive('ERROR', {'code': 'bad-destination', 'message': 'No',
      'receipt-id': frame.headers.get('receipt')});
    assertEquals('bad-destination', await bad);
    assertEquals('connection-lost', await good);
  },

  async testARequestThatCannotBeSentIsRejected() {
    assertEquals('bad-header', await code(client.request('/queue/\0', 'x')));
    const error = await assertRejects(client.request('/queue/a', 'x', {timeout: -1}));
    assertTrue(error instanceof TypeError);
    assertArrayEquals([], sent());
  },

  async testDisposingRejectsARequestThatNobodyWaitsFor() {
    client.request('/queue/a', 'x');
    client.dispose();
    await client.closed;
  },

  async testAPageSettlesEachMessage() {
    const sub = work({ack: 'client-individual', prefetch: 10});
    assertEquals(10, (await sub.ready).prefetch);
    const done = seen[1].ack();
    fake.answer(fake.takeSent());
    assertUndefined(await done);
    seen[0].nack();
    seen[2].nack({requeue: false});
    assertArrayEquals(['NACK 1.1', 'NACK 1.3 false'], sent());
    assertEquals('unknown-delivery', await code(seen[1].ack()));
    assertArrayEquals([], sent());
  },

  async testWithAckClientOneSettlesAllBeforeIt() {
    work({ack: 'client'});
    seen[1].ack();
    assertArrayEquals(['ACK 1.2'], sent());
    assertEquals('unknown-delivery', await code(seen[0].ack()));
    seen[2].nack();
    assertArrayEquals(['NACK 1.3'], sent());
  },

  async testAfterUnsubscribingNothingIsSettled() {
    const sub = work({ack: 'client-individual'});
    sub.unsubscribe();
    assertArrayEquals(['UNSUBSCRIBE 0'], sent());
    assertEquals('unknown-delivery', await code(seen[0].ack()));
    assertArrayEquals([], sent());
  },

  async testAfterTheConnectionNothingIsSettled() {
    work({ack: 'client-individual'});
    seen[0].ack();
    fake.drop();
    seen[1].ack();  // Nobody looks at it, and nobody is bothered.
    assertEquals('connection-lost', await code(seen[2].ack()));
  },

  async testAWorkerReplies() {
    client.subscribe('/queue/a', (m) => seen.push(m));
    fake.takeSent();
    fake.message('0', '/queue/a', 'x', {'reply-to': '/temp-queue/9', 'correlation-id': '7'});
    const done = seen[0].reply({sum: 3}, {'k': 'v'});
    const frame = fake.takeSent();
    assertEquals('/temp-queue/9', frame.headers.get('destination'));
    assertEquals('7', frame.headers.get('correlation-id'));
    assertEquals('v', frame.headers.get('k'));
    assertEquals('{"sum":3}', new TextDecoder().decode(frame.body));
    fake.answer(frame);
    assertUndefined(await done);
  },
});
