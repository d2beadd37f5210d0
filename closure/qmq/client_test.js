/** @fileoverview Tests of qmq.Client: what a page sees, in which order. */

goog.module('qmq.ClientTest');
goog.setTestOnly();

const Client = goog.require('qmq.Client');
const FakeTransport = goog.require('qmq.testing.FakeTransport');
const MockClock = goog.require('goog.testing.MockClock');
const State = goog.require('qmq.State');
const connect = goog.require('qmq.connect');
const testSuite = goog.require('goog.testing.testSuite');

let fake;
let client;
/** What the page heard of the client, in order. */
let heard;

function make(options = {}) {
  client = new Client('/stomp', Object.assign({transports: [fake]}, options));
  client.on('state', (state) => heard.push(state));
  client.on('error', (error) => heard.push(error.code));
  return client;
}

/** A client that is connected. */
async function makeOpen(options = {}) {
  make(options);
  await fake.accept();
  heard.length = 0;
}

/** A promise whose rejection a test looks at later. */
async function rejection(promise) {
  return assertRejects(promise);
}

function commands() {
  return fake.takeAllSent().map((frame) => frame.command);
}

testSuite({
  setUp() {
    fake = new FakeTransport();
    heard = [];
  },

  tearDown() {
    if (client) client.dispose();
    client = null;
  },

  async testConnects() {
    make({login: 'me', passcode: 'secret', headers: {'x': 'y'}});
    assertEquals(State.CONNECTING, client.state);
    assertEquals(0, fake.opens);
    const frame = await fake.accept();
    assertEquals(location.origin + '/stomp', fake.url);
    assertArrayEquals(
        [['accept-version', '1.2'], ['host', location.hostname],
          ['heart-beat', '25000,25000'], ['refusals', 'true'], ['login', 'me'], ['passcode', 'secret'],
          ['x', 'y']],
        Array.from(frame.headers));
    assertEquals(State.OPEN, client.state);
    assertArrayEquals(['open'], heard);
  },

  async testConnectIsTheSame() {
    client = connect('/stomp', {transports: [fake]});
    assertTrue(client instanceof Client);
    await fake.accept();
  },

  testAnAddressThatIsNoneIsThrown() {
    assertTrue(assertThrows(() => new Client('ftp://h')) instanceof TypeError);
  },

  async testAsksForTheTokenFirst() {
    let give;
    make({token: () => new Promise((resolve) => give = resolve)});
    await Promise.resolve();
    assertEquals(0, fake.opens);
    give('abc');
    const frame = await fake.accept();
    assertEquals('token', frame.headers.get('login'));
    assertEquals('abc', frame.headers.get('passcode'));
  },

  async testATokenThatCannotBeHadIsAskedForAgain() {
    let asked = 0;
    const failed = new Promise((resolve) => make({
      token: () => asked++ ? 'abc' : Promise.reject(new Error('401')),
      onerror: resolve,
    }));
    const error = await failed;
    assertEquals('connect-failed', error.code);
    assertEquals('Error: 401', error.detail);
    assertEquals(0, fake.opens);
    assertEquals(State.WAITING, client.state);
    const frame = await fake.accept();
    assertEquals('abc', frame.headers.get('passcode'));
    assertArrayEquals(['connect-failed', 'waiting', 'connecting', 'open'], heard);
  },

  async testALoginThatNoFrameCanCarry() {
    make({login: 'a\nb'});
    assertEquals('bad-header', (await client.closed).code);
  },

  async testTakesTheFirstTransportThatWorks() {
    const other = {transportName: 'no', enabled: () => false, create: fail};
    make({transports: [other, fake]});
    await fake.accept();
    client.dispose();
    const error = await new Promise((onerror) => make({transports: [other], onerror}));
    assertEquals('connect-failed', error.code);
    assertEquals('No transport works here', error.detail);
  },

  async testPropertiesAndListenersBothHear() {
    const seen = [];
    make({onstate: (state) => seen.push('option ' + state)});
    await fake.accept();
    client.onstate = (state) => seen.push('property ' + state);
    client.onerror = (error) => seen.push('property ' + error.code);
    fake.drop();
    assertArrayEquals(
        ['option open', 'property connection-lost', 'property waiting'], seen);
    assertArrayEquals(['open', 'connection-lost', 'waiting'], heard);
  },

  async testListenersCanBeRemovedAndUnknownEventsAreMisuse() {
    await makeOpen();
    client.on('state', () => fail('was removed'))();
    assertTrue(assertThrows(() => client.on('message', () => {})) instanceof TypeError);
    client.dispose();
  },

  async testPublishResolvesOnTheReceipt() {
    await makeOpen();
    let isDone = false;
    const done = client.publish('/topic/a', {'b': 1}, {headers: {'k': 'v'}});
    done.then(() => isDone = true);
    const frame = fake.takeSent();
    assertEquals('SEND', frame.command);
    assertEquals('/topic/a', frame.headers.get('destination'));
    assertEquals('application/json', frame.headers.get('content-type'));
    assertEquals('7', frame.headers.get('content-length'));
    assertEquals('v', frame.headers.get('k'));
    assertTrue(/^[a-z0-9]{12,}-\d+$/.test(frame.headers.get('idempotency-key')));
    assertEquals('{"b":1}', new TextDecoder().decode(frame.body));
    await Promise.resolve();
    assertFalse(isDone);
    fake.answer(frame);
    assertUndefined(await done);
  },

  async testPublishBytesWithAType() {
    await makeOpen();
    client.publish('/topic/a', Uint8Array.of(0, 255), {contentType: 'image/x'});
    const frame = fake.takeSent();
    assertEquals('image/x', frame.headers.get('content-type'));
    assertArrayEquals([0, 255], Array.from(frame.body));
    client.publish('/topic/a', Uint8Array.of(0));
    assertFalse(fake.takeSent().headers.has('content-type'));
  },

  async testPublishWithoutReceiptResolvesAtOnce() {
    await makeOpen();
    assertUndefined(await client.publish('/topic/a', 'x', {receipt: false}));
    const frame = fake.takeSent();
    assertFalse(frame.headers.has('receipt'));
    assertFalse(frame.headers.has('idempotency-key'));
  },

  async testPublishRefusesWhatItCannotSend() {
    await makeOpen();
    const ring = await rejection(client.publish('/topic/a', () => {}));
    assertTrue(ring instanceof TypeError);
    const bad = await rejection(client.publish('/topic/\0', 'x'));
    assertEquals('bad-header', bad.code);
    assertArrayEquals([], fake.takeAllSent());
    assertEquals(State.OPEN, client.state);
  },

  async testOnlyTheCulpritGetsTheError() {
    await makeOpen();
    const bad = rejection(client.publish('nowhere', 'x'));
    const frame = fake.takeSent();
    const good = rejection(client.publish('/topic/a', 'x'));
    fake.receive('ERROR', {'code': 'bad-destination', 'message': 'No',
      'retry': 'false', 'receipt-id': frame.headers.get('receipt')}, 'detail');
    const error = await bad;
    assertEquals('bad-destination', error.code);
    assertEquals('detail', error.detail);
    assertFalse(error.retry);
    assertEquals('connection-lost', (await good).code);
    assertEquals(error, await client.closed);
    assertArrayEquals(['bad-destination', 'closed'], heard);
  },

  async testAfterATerminalErrorNothingIsTaken() {
    await makeOpen();
    const waiting = rejection(client.publish('/topic/a', 'x'));
    const sub = client.subscribe('/topic/a', () => {});
    fake.drop(4511, 'bad-origin');
    const error = await waiting;
    assertEquals('bad-origin', error.code);
    assertEquals(error, await rejection(sub.ready));
    assertEquals(error, await rejection(client.publish('/topic/a', 'x')));
    assertEquals(error, await rejection(client.subscribe('/topic/a', () => {}).ready));
    assertEquals(error, await client.closed);
    assertUndefined(await sub.unsubscribe());
  },

  async testSubscribesAndDelivers() {
    await makeOpen();
    const seen = [];
    const first = client.subscribe('/topic/a', (m) => seen.push('a' + m.text()));
    client.subscribe('/topic/b', (m) => seen.push('b' + m.text()), {maxMessages: 5});
    const [one, two] = fake.takeAllSent();
    assertEquals('0', one.headers.get('id'));
    assertEquals('latest', one.headers.get('from'));
    assertEquals('1', two.headers.get('id'));
    assertEquals('5', two.headers.get('max-messages'));
    fake.answer(one, {'max-messages': '100', 'cursor': 'c'});
    const granted = await first.ready;
    assertEquals(100, granted.maxMessages);
    assertEquals('c', granted.cursor);
    fake.message('1', '/topic/b', '1');
    fake.message('0', '/topic/a', Uint8Array.of(50));
    fake.message('7', '/topic/x', 'of nobody');
    assertArrayEquals(['b1', 'a2'], seen);
  },

  async testUnsubscribeEndsDeliveryAtOnceAndResolvesOnTheReceipt() {
    await makeOpen();
    const seen = [];
    const sub = client.subscribe('/topic/a', (m) => seen.push(m));
    fake.answer(fake.takeSent());
    const done = sub.unsubscribe();
    assertEquals(done, sub.unsubscribe());
    fake.message('0', '/topic/a', 'late');
    const frame = fake.takeSent();
    assertEquals('UNSUBSCRIBE', frame.command);
    assertEquals('0', frame.headers.get('id'));
    fake.answer(frame);
    assertUndefined(await done);
    assertArrayEquals([], seen);
    client.subscribe('/topic/a', () => {});
    assertEquals('1', fake.takeSent().headers.get('id'));
  },

  async testWhatWaitsGoesOutInOrderSubscriptionsFirst() {
    make();
    client.publish('/topic/a', '1', {receipt: false});
    client.subscribe('/topic/a', () => {});
    client.publish('/topic/a', Uint8Array.of(50), {receipt: false});
    client.subscribe('/topic/b', () => {});
    client.on('state', (state) => {
      if (state === State.OPEN) client.publish('/topic/a', '3', {receipt: false});
    });
    await fake.accept();
    const sent = fake.takeAllSent();
    assertArrayEquals(
        ['SUBSCRIBE', 'SUBSCRIBE', 'SEND', 'SEND', 'SEND'],
        sent.map((frame) => frame.command));
    assertArrayEquals(['0', '1'], sent.slice(0, 2).map((f) => f.headers.get('id')));
    assertEquals('123',
        sent.slice(2).map((f) => new TextDecoder().decode(f.body)).join(''));
  },

  async testTheQueueHasALimitOfMessages() {
    make({maxQueued: 1});
    const taken = client.publish('/topic/a', 'x', {receipt: false});
    assertEquals('outbox-full',
        (await rejection(client.publish('/topic/a', 'y'))).code);
    client.subscribe('/topic/a', () => {});  // It takes no room.
    assertUndefined(await taken);
    await fake.accept();
    assertArrayEquals(['SUBSCRIBE', 'SEND'], commands());
    client.publish('/topic/a', 'z', {receipt: false});
    assertArrayEquals(['SEND'], commands());
  },

  async testTheQueueHasALimitOfBytes() {
    make({maxQueuedBytes: 100});
    assertEquals('outbox-full',
        (await rejection(client.publish('/topic/a', 'x'.repeat(100)))).code);
    make({maxQueued: 0});
    assertEquals('outbox-full',
        (await rejection(client.publish('/topic/a', 'x'))).code);
  },

  async testASubscriptionGivenUpBeforeTheConnectionIsNeverSent() {
    make();
    const sub = client.subscribe('/topic/a', () => {});
    assertUndefined(await sub.unsubscribe());
    assertEquals('closed', (await rejection(sub.ready)).code);
    await fake.accept();
    assertArrayEquals([], commands());
  },

  async testAPageThatThrowsLosesNothingElse() {
    const clock = new MockClock(true);
    try {
      await makeOpen();
      const seen = [];
      client.subscribe('/topic/a', (m) => {
        seen.push(m.text());
        throw new Error(m.text());
      });
      fake.receiveData(
          'MESSAGE\nsubscription:0\n\n1\0MESSAGE\nsubscription:0\n\n2\0');
      assertArrayEquals(['1', '2'], seen);
      assertEquals('1', assertThrows(() => clock.tick()).message);
      assertEquals('2', assertThrows(() => clock.tick()).message);
      assertEquals(State.OPEN, client.state);
    } finally {
      clock.uninstall();
    }
  },

  async testDisposeSaysGoodbyeAndRejectsWhatWaits() {
    await makeOpen();
    const waiting = rejection(client.publish('/topic/a', 'x'));
    client.dispose();
    client.dispose();
    assertArrayEquals(['SEND', 'DISCONNECT'], commands());
    assertFalse(fake.isOpen);
    assertEquals(State.CLOSED, client.state);
    assertArrayEquals(['closed'], heard);
    assertEquals('closed', (await waiting).code);
    assertEquals('closed', (await client.closed).code);
    assertEquals('closed', (await rejection(client.publish('/topic/a', 'x'))).code);
  },

  async testDisposeBeforeTheTokenComesOpensNothing() {
    let give;
    make({token: () => new Promise((resolve) => give = resolve)});
    const sub = client.subscribe('/topic/a', () => {});
    client.dispose();
    give('abc');
    assertEquals('closed', (await client.closed).code);
    assertEquals('closed', (await rejection(sub.ready)).code);
    assertEquals(0, fake.opens);
    assertArrayEquals(['closed'], heard);
  },

  async testDisposeWhileConnectingSendsNothing() {
    make();
    await fake.opened();
    client.dispose();
    assertArrayEquals([], commands());
    assertFalse(fake.isOpen);
  },

  async testDisposeInAMessageStopsTheNext() {
    await makeOpen();
    const seen = [];
    client.subscribe('/topic/a', (m) => {
      seen.push(m.text());
      client.dispose();
    });
    fake.receiveData('MESSAGE\nsubscription:0\n\n1\0MESSAGE\nsubscription:0\n\n2\0');
    assertArrayEquals(['1'], seen);
  },

  async testDisposeInTheErrorEventStillTellsTheStateOnce() {
    make({onerror: () => {
      client.dispose();
      heard.push('disposed');
    }});
    await fake.accept();
    fake.drop(4511, 'bad-origin');
    assertArrayEquals(['open', 'closed', 'disposed'], heard);
    assertEquals('bad-origin', (await client.closed).code);
  },

  async testAPageMayDisposeOfItWhenTheConnectionIsLost() {
    make({onerror: () => client.dispose()});
    await fake.accept();
    fake.drop();
    assertEquals('closed', (await client.closed).code);
    assertArrayEquals(['open', 'closed'], heard);
  },

  async testASecondConnectedIsIgnored() {
    await makeOpen();
    fake.receive('CONNECTED', {});
    assertArrayEquals([], heard);
  },
});
