/** @fileoverview Tests of qmq.Requests. */

goog.module('qmq.RequestsTest');
goog.setTestOnly();

const Journal = goog.require('qmq.Journal');
const MockClock = goog.require('goog.testing.MockClock');
const QmqError = goog.require('qmq.Error');
const bodies = goog.require('qmq.body');
const testSuite = goog.require('goog.testing.testSuite');
const {REPLIES, Requests} = goog.require('qmq.Requests');

let clock;
let journal;
let refusal;
let requests;

/** Asks, as a client does. */
function ask(id, destination, body, options = {}) {
  return requests.ask(id, destination, bodies.encode(body, options.contentType), options);
}

/** All that waits. */
function sentBy(from) {
  const sent = [];
  from.flush((data) => sent.push(data));
  return sent;
}

testSuite({
  setUp() {
    clock = new MockClock(true);
    journal = new Journal(9, 9999);
    refusal = null;
    requests = new Requests(journal, (id, data) => {
      if (!refusal) journal.add(id, data, false);
      return refusal;
    });
  },

  tearDown() {
    clock.uninstall();
  },

  testARequestSaysWhereItsReplyGoesAndHowLongItIsOfUse() {
    ask('7', '/queue/a', 'x', {}).catch(() => {});
    const more = {'k': 'v', 'expiration': '5', 'reply-to': 'no', 'correlation-id': 'no'};
    ask('8', '/queue/a', [1], {timeout: 2.5, headers: more, contentType: 'x/y'})
        .catch(() => {});
    assertArrayEquals(
        ['SEND\ndestination:/queue/a\ncontent-length:1\nreceipt:7\nexpiration:9000\n' +
            `reply-to:${REPLIES}\ncorrelation-id:7\ncontent-type:text/plain\n\nx\0`,
        'SEND\ndestination:/queue/a\ncontent-length:3\nreceipt:8\nexpiration:5\n' +
            `k:v\nreply-to:${REPLIES}\ncorrelation-id:8\ncontent-type:x/y\n\n[1]\0`],
        sentBy(journal));
  },

  async testWhatWasSentIsLostWithTheConnectionAndWhatWaitsIsNot() {
    const lost = assertRejects(ask('0', '/queue/a', 'x', {}));
    journal.flush(() => {});
    const later = ask('1', '/queue/a', 'x', {});
    requests.lose();
    assertEquals('connection-lost', (await lost).code);
    requests.settle('1', 'reply');
    assertEquals('reply', await later);
  },

  async testManyAtOnceGetEachItsOwnReply() {
    const all = ['0', '1', '2'].map((id) => ask(id, '/queue/a', id, {}));
    for (const id of ['2', '0', '1']) requests.settle(id, 'reply ' + id);
    assertArrayEquals(['reply 0', 'reply 1', 'reply 2'], await Promise.all(all));
    assertFalse(requests.fail('0', new QmqError('closed')));
  },

  async testATimeOutRejectsAndTakesTheRequestBack() {
    const late = assertRejects(ask('0', '/queue/a', 'x', {timeout: 50}));
    clock.tick(49);
    assertTrue(journal.has('0'));
    clock.tick(1);
    const error = await late;
    assertEquals('request-timeout', error.code);
    assertEquals('none from /queue/a in 50 ms', error.detail);
    assertTrue(error.retry);
    assertFalse(journal.has('0'));
    requests.settle('0', 'late');
    assertFalse(requests.fail('0', error));
  },

  async testATimeoutThatNoTimerCanWaitForIsNotOverAtOnce() {
    const reply = ask('0', '/queue/a', 'x', {timeout: Infinity});
    assertContains('\nexpiration:2147482647\n', sentBy(journal)[0]);
    clock.tick(1000000);
    requests.settle('0', 'y');
    assertEquals('y', await reply);
  },

  testWhatIsNoTimeoutOrBodyIsThrown() {
    for (const timeout of [0, -1, NaN, null]) {
      const wrong = () => ask('0', '/queue/a', 'x', {timeout});
      assertTrue(assertThrows(wrong) instanceof TypeError);
    }
    assertThrows(() => ask('0', '/queue/a', 'x', {headers: {k: null}}));
    assertFalse(journal.has('0'));
  },

  testWhatCannotBeSentIsThrownAndNothingWaits() {
    refusal = new QmqError('outbox-full');
    assertEquals(refusal, assertThrows(() => ask('0', '/queue/a', 'x', {})));
    assertFalse(requests.fail('0', refusal));
  },
});
