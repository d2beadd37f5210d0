/** @fileoverview Tests of qmq.Client: what the server refuses, and what goes on all the same. */

goog.module('qmq.ClientRefusalsTest');
goog.setTestOnly();

const Client = goog.require('qmq.Client');
const FakeTransport = goog.require('qmq.testing.FakeTransport');
const State = goog.require('qmq.State');
const testSuite = goog.require('goog.testing.testSuite');

let fake;
let client;
let heard;
let unhandled;

/** The server refuses a frame, and goes on. */
function refuse(frame, code, more = {}) {
  const own = {'code': code, 'fatal': 'false', 'retry': 'false'};
  const receipt = frame.headers.get('receipt');
  if (receipt !== undefined) own['receipt-id'] = receipt;
  fake.receive('ERROR', Object.assign(own, more), 'why');
}

async function comeBack() {
  fake.drop();
  fake.takeAllSent();
  window.dispatchEvent(new Event('online'));
  await fake.accept();
  return fake.takeAllSent();
}

function note(event) {
  unhandled.push(String(event.reason));
  event.preventDefault();
}

testSuite({
  async setUp() {
    fake = new FakeTransport();
    heard = [];
    unhandled = [];
    client = new Client('/stomp', {transports: [fake]});
    assertEquals('true', (await fake.accept()).headers.get('refusals'));
    client.on('state', (state) => heard.push(state));
    client.on('error', (error) => heard.push(error.code));
    window.addEventListener('unhandledrejection', note);
  },

  async tearDown() {
    client.dispose();
    await new Promise((resolve) => setTimeout(resolve, 20));
    window.removeEventListener('unhandledrejection', note);
    assertArrayEquals([], unhandled);
  },

  async testOnePublishIsRejectedAndThoseBehindItAreNot() {
    const all = ['a', 'b', 'c'].map((text) => client.publish('/topic/' + text, text));
    const [a, b, c] = fake.takeAllSent();
    fake.answer(a);
    refuse(b, 'forbidden');
    fake.answer(c);
    const error = await assertRejects(all[1]);
    assertEquals('forbidden', error.code);
    assertEquals('why', error.detail);
    assertUndefined(await all[0]);
    assertUndefined(await all[2]);
    assertEquals(State.OPEN, client.state);
    assertArrayEquals([], heard);
    assertArrayEquals([], await comeBack());  // It is not said again.
  },

  async testWhatWaitedAndIsRefusedOnTheReturnLikewise() {
    fake.drop();
    const bad = client.publish('/nowhere', 'x');
    const good = client.publish('/topic/a', 'x');
    const sub = client.subscribe('/topic/secret', () => {}, {onerror: (e) => heard.push('sub ' + e.code)});
    window.dispatchEvent(new Event('online'));
    await fake.accept();
    heard.length = 0;
    const [subscribe, one, two] = fake.takeAllSent();
    refuse(subscribe, 'forbidden', {'subscription': '0'});
    refuse(one, 'bad-destination');
    fake.answer(two);
    assertEquals('bad-destination', (await assertRejects(bad)).code);
    assertEquals('forbidden', (await assertRejects(sub.ready)).code);
    assertUndefined(await good);
    assertArrayEquals(['sub forbidden'], heard);
    assertArrayEquals([], await comeBack());
  },

  async testASubscriptionIsRefusedAloneAndIsOver() {
    const seen = [];
    const good = client.subscribe('/topic/a', (m) => seen.push(m.text()));
    const bad = client.subscribe('/topic/b', () => {});
    const [one, two] = fake.takeAllSent();
    refuse(two, 'forbidden', {'subscription': '1'});
    fake.answer(one, {'max-messages': '7'});
    assertEquals(7, (await good.ready).maxMessages);
    assertEquals('forbidden', (await assertRejects(bad.ready)).code);
    assertArrayEquals(['forbidden'], heard);  // It has no function of its own for it.
    fake.message('0', '/topic/a', 'on');
    assertArrayEquals(['on'], seen);
    assertUndefined(await bad.unsubscribe());
    const again = await comeBack();
    assertArrayEquals(['/topic/a'], again.map((frame) => frame.headers.get('destination')));
  },

  async testARightThatIsTakenAwayIsToldOnTheReturn() {
    const sub = client.subscribe('/topic/a', () => {});
    sub.onerror = (error) => heard.push('sub ' + error.code);
    fake.answer(fake.takeSent(), {});
    await sub.ready;
    const [frame] = await comeBack();
    heard.length = 0;
    refuse(frame, 'forbidden', {'subscription': '0'});
    assertArrayEquals(['sub forbidden'], heard);
    assertEquals(State.OPEN, client.state);
    assertArrayEquals([], await comeBack());
  },

  async testARequestIsRejected() {
    const asked = client.request('/queue/a', 'x');
    refuse(fake.takeSent(), 'queue-full', {'retry': 'true'});
    const error = await assertRejects(asked);
    assertEquals('queue-full', error.code);
    assertTrue(error.retry);
    assertArrayEquals([], heard);
  },

  async testAnAckIsRejected() {
    let message;
    client.subscribe('/queue/a', (m) => message = m, {ack: 'client-individual'});
    fake.answer(fake.takeSent(), {});
    fake.message('0', '/queue/a', 'x', {'ack': '1.1'});
    const acked = message.ack();
    refuse(fake.takeSent(), 'unknown-delivery');
    assertEquals('unknown-delivery', (await assertRejects(acked)).code);
    assertArrayEquals([], heard);
  },

  async testUnsubscribingIsRejectedUnlessThereIsNothingToEnd() {
    for (const [code, told] of [['bad-header', 'bad-header'], ['unknown-id', undefined]]) {
      const sub = client.subscribe('/topic/a', () => {});
      fake.answer(fake.takeSent(), {});
      const ended = sub.unsubscribe().then(() => undefined, (error) => error.code);
      refuse(fake.takeSent(), code);
      assertEquals(told, await ended);
    }
    const sub = client.subscribe('/topic/a', () => {});
    fake.answer(fake.takeSent(), {});
    const ended = sub.unsubscribe();
    fake.drop();
    assertUndefined(await ended);
  },

  testWhatNobodyElseHearsOfIsAnErrorEvent() {
    client.publish('/nowhere', 'x', {receipt: false});
    refuse(fake.takeSent(), 'bad-destination');
    assertArrayEquals(['bad-destination'], heard);
    assertEquals(State.OPEN, client.state);
  },

  async testAnErrorThatIsTheEndStillIsOne() {
    const waiting = client.publish('/topic/a', 'x');
    const frame = fake.takeSent();
    fake.receive('ERROR', {'code': 'forbidden', 'retry': 'false', 'receipt-id': frame.headers.get('receipt')});
    assertEquals('forbidden', (await assertRejects(waiting)).code);
    assertEquals('forbidden', (await client.closed).code);
  },

  async testOfWhatIsTooLargeForSomethingBetweenOnlyTheLargestIsToBlame() {
    const [small, large] = ['x', 'x'.repeat(1000)].map((text) => client.publish('/topic/a', text));
    fake.drop(1009, 'too big');
    assertEquals('frame-too-large', (await assertRejects(large)).code);
    assertArrayEquals(['frame-too-large', 'waiting'], heard);
    fake.takeAllSent();
    window.dispatchEvent(new Event('online'));
    await fake.accept();
    fake.answer(fake.takeSent());
    assertUndefined(await small);
  },

  async testACutByAProxyIsACut() {
    for (const number of [1002, 1008, 4444]) {
      fake.drop(number, 'proxy');
      window.dispatchEvent(new Event('online'));
      await fake.accept();
      assertEquals(State.OPEN, client.state);
    }
  },

  async testWhatNobodyWaitsForTroublesNobody() {
    client.publish('/nowhere', 'x');
    client.publish('/topic/a', new Map());
    client.publish('/topic/a', 'x', {headers: {k: null}});
    client.request('/queue/a', 'x');
    client.request('/queue/a', 'x', {timeout: 'soon'});
    client.subscribe('/nowhere', (m) => {
      m.ack();
      m.reply('x');
    });
    const [send] = fake.takeAllSent();
    refuse(send, 'bad-destination');
    fake.message('0', '/nowhere', 'x');
    client.subscribe('/topic/b', () => {}).unsubscribe();
    client.dispose();
    client.publish('/topic/a', 'x');
    client.subscribe('/topic/a', () => {});
    client.request('/queue/a', 'x');
  },

  testHeadersThatAreNoTextAreThrownWhereNothingCanBeRejected() {
    const own = {headers: {'k': undefined}};
    assertTrue(assertThrows(() => client.subscribe('/topic/a', () => {}, own)) instanceof TypeError);
    const other = () => new Client('/stomp', Object.assign({transports: [fake]}, own));
    assertTrue(assertThrows(other) instanceof TypeError);
  },

  async testABlobKeepsItsPlace() {
    client.publish('/topic/a', 'first');
    const blob = client.publish('/topic/a', new Blob(['second'], {type: 'text/css'}));
    const last = client.publish('/topic/a', 'third');
    assertEquals(1, fake.takeAllSent().length);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [second, third] = fake.takeAllSent();
    assertEquals('second', new TextDecoder().decode(second.body));
    assertEquals('text/css', second.headers.get('content-type'));
    assertEquals('third', new TextDecoder().decode(third.body));
    fake.answer(second);
    fake.answer(third);
    await Promise.all([blob, last]);
  },
});
