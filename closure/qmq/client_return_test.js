/** @fileoverview Tests of qmq.Client: coming back, and what has become of everything. */

goog.module('qmq.ClientReturnTest');
goog.setTestOnly();

const Client = goog.require('qmq.Client');
const FakeTransport = goog.require('qmq.testing.FakeTransport');
const State = goog.require('qmq.State');
const testSuite = goog.require('goog.testing.testSuite');

let fake;
let client;
let heard;

/** The connection is lost and made anew; answers what was said on the new one. */
async function comeBack(code = 1006, reason = '') {
  fake.drop(code, reason);
  fake.takeAllSent();
  hurry();
  await fake.accept();
  return fake.takeAllSent();
}

/** Ends the pause before the next try. */
function hurry() {
  window.dispatchEvent(new Event('online'));
}

function told(frames) {
  return frames.map((frame) => [frame.command, frame.headers.get('cursor') ||
    new TextDecoder().decode(frame.body)].join(' ').trim());
}

testSuite({
  async setUp() {
    fake = new FakeTransport();
    heard = [];
    client = new Client('/stomp', {transports: [fake], maxQueued: 3});
    await fake.accept();
    client.on('state', (state) => heard.push(state));
    client.on('error', (error) => heard.push(error.code));
  },

  tearDown() {
    client.dispose();
  },

  async testItComesBackByItself() {
    assertEquals('fake', client.transport);
    fake.drop();
    assertEquals('', client.transport);
    assertEquals(State.WAITING, client.state);
    await fake.accept();
    assertArrayEquals(['connection-lost', 'waiting', 'connecting', 'open'], heard);
    assertEquals(2, fake.opens);
  },

  async testItGoesOnTryingAfterRefusals() {
    fake.drop();
    hurry();
    await fake.refuse();
    hurry();
    await fake.refuse(1013, 'too-many-connections');
    hurry();
    await fake.accept();
    assertArrayEquals([
      'connection-lost', 'waiting', 'connecting', 'connect-failed', 'waiting', 'connecting',
      'too-many-connections', 'waiting', 'connecting', 'open'], heard);
  },

  async testSubscriptionsGoOnWhereTheyWereBeforeAnythingIsPublished() {
    const seen = [];
    const sub = client.subscribe('/topic/a', (m) => seen.push(m.text()));
    sub.onrecovered = (isWhole) => seen.push(isWhole);
    fake.answer(fake.takeSent(), {'cursor': 'n.e.4', 'recovered': 'true'});
    await sub.ready;
    fake.message('0', '/topic/a', 'five', {'message-id': 'n.e.5'});
    fake.drop();
    client.publish('/topic/a', 'mine');
    await fake.accept();
    const sent = fake.takeAllSent();
    assertArrayEquals(['SUBSCRIBE n.e.5', 'SEND mine'], told(sent));
    assertEquals('0', sent[0].headers.get('id'));
    fake.answer(sent[0], {'cursor': 'n.e.5', 'recovered': 'true'});
    fake.message('0', '/topic/a', 'six', {'message-id': 'n.e.6'});
    assertArrayEquals(['five', true, 'six'], seen);
    assertEquals('n.e.6', sub.cursor);
  },

  async testASubscriptionThatWasNotGrantedIsAskedForAgain() {
    const sub = client.subscribe('/topic/a', () => {});
    const [frame] = await comeBack();
    fake.answer(frame, {'max-messages': '5'});
    assertEquals(5, (await sub.ready).maxMessages);
  },

  async testWhatWasGivenUpDoesNotComeBack() {
    const sub = client.subscribe('/topic/a', () => {});
    const other = client.subscribe('/topic/b', () => {});
    sub.unsubscribe();
    const done = other.unsubscribe();
    assertArrayEquals([], await comeBack());
    assertUndefined(await done);
  },

  async testAPublishWithoutReceiptOfItsIsSentAgainUnderTheSameName() {
    const done = [client.publish('/topic/a', '1'), client.publish('/topic/a', '2')];
    client.publish('/topic/a', 'once', {receipt: false});
    const first = fake.takeAllSent();
    fake.answer(first[0]);
    fake.drop();
    done.push(client.publish('/topic/a', '3'));
    await fake.accept();
    const again = fake.takeAllSent();
    assertArrayEquals(['SEND 2', 'SEND 3'], told(again));
    assertEquals(first[1].headers.get('idempotency-key'), again[0].headers.get('idempotency-key'));
    assertNotEquals(
        again[0].headers.get('idempotency-key'), again[1].headers.get('idempotency-key'));
    again.forEach((frame) => fake.answer(frame));
    await Promise.all(done);
    assertArrayEquals([], await comeBack());
  },

  async testAPagesOwnKeyIsKept() {
    client.publish('/topic/a', '1', {headers: {'idempotency-key': 'mine'}});
    assertEquals('mine', fake.takeSent().headers.get('idempotency-key'));
  },

  async testWhatWaitsForReceiptsCountsWhileThereIsNoConnection() {
    for (const body of '1234') client.publish('/topic/a', body);
    fake.drop();
    assertEquals('outbox-full', (await assertRejects(client.publish('/topic/a', '5'))).code);
    fake.takeAllSent();
    await fake.accept();
    assertArrayEquals(['SEND 1', 'SEND 2', 'SEND 3', 'SEND 4'], told(fake.takeAllSent()));
  },

  async testAPublishThatIsRefusedIsNotSentAgainButTheRestIs() {
    const refused = assertRejects(client.publish('/queue/a', '1'));
    const [frame] = fake.takeAllSent();
    const done = client.publish('/queue/b', '2');
    fake.takeAllSent();
    fake.receive('ERROR', {
      'code': 'queue-full', 'message': 'No', 'retry': 'true',
      'receipt-id': frame.headers.get('receipt')});
    assertEquals('queue-full', (await refused).code);
    await fake.accept();
    const sent = fake.takeAllSent();
    assertArrayEquals(['SEND 2'], told(sent));
    fake.answer(sent[0]);
    assertUndefined(await done);
  },

  async testASubscriptionThatIsRefusedIsNotAskedForAgain() {
    const sub = client.subscribe('/queue/a', () => {});
    const frame = fake.takeSent();
    fake.receive('ERROR', {
      'code': 'too-many-queues', 'retry': 'true', 'receipt-id': frame.headers.get('receipt')});
    assertEquals('too-many-queues', (await assertRejects(sub.ready)).code);
    await fake.accept();
    assertArrayEquals([], fake.takeAllSent());
  },

  async testTheTokenIsFreshEachTime() {
    client.dispose();
    fake.takeAllSent();
    let number = 0;
    client = new Client('/stomp', {transports: [fake], token: async () => String(++number)});
    assertEquals('1', (await fake.accept()).headers.get('passcode'));
    fake.drop();
    assertEquals('2', (await fake.accept()).headers.get('passcode'));
  },

  async testATerminalErrorStopsIt() {
    fake.drop();
    await fake.refuse(4511, 'bad-origin');
    assertEquals('bad-origin', (await client.closed).code);
    assertArrayEquals(
        ['connection-lost', 'waiting', 'connecting', 'bad-origin', 'closed'], heard);
  },

  async testDisposeWhileItWaits() {
    fake.drop();
    const waiting = assertRejects(client.publish('/topic/a', 'x'));
    client.dispose();
    assertEquals('closed', (await waiting).code);
    assertEquals('closed', (await client.closed).code);
    assertEquals(1, fake.opens);
  },

  async testAPageMayPublishWhileItIsToldOfTheLoss() {
    let done;
    client.onerror = () => done = client.publish('/topic/a', 'x');
    const sent = await comeBack();
    assertArrayEquals(['SEND x'], told(sent));
    fake.answer(sent[0]);
    assertUndefined(await done);
  },
});
