/** @fileoverview Tests of qmq.Requests. */

goog.module('qmq.RequestsTest');
goog.setTestOnly();

const MockClock = goog.require('goog.testing.MockClock');
const Outbox = goog.require('qmq.Outbox');
const QmqError = goog.require('qmq.Error');
const testSuite = goog.require('goog.testing.testSuite');
const {REPLIES, Requests} = goog.require('qmq.Requests');

let clock;
let outbox;
let refusal;
let requests;

testSuite({
  setUp() {
    clock = new MockClock(true);
    outbox = new Outbox(9, 9999);
    refusal = null;
    requests = new Requests(outbox, (data) => {
      if (!refusal) outbox.offer(data, false);
      return refusal;
    });
  },

  tearDown() {
    clock.uninstall();
  },

  testARequestSaysWhereItsReplyGoesAndHowLongItIsOfUse() {
    requests.ask('7', '/queue/a', 'x', {}).catch(() => {});
    const more = {'k': 'v', 'expiration': '5', 'reply-to': 'no', 'correlation-id': 'no'};
    requests.ask('8', '/queue/a', [1], {timeout: 2.5, headers: more, contentType: 'x/y'})
        .catch(() => {});
    assertArrayEquals(
        ['SEND\ndestination:/queue/a\ncontent-length:1\nreceipt:7\nexpiration:10000\n' +
            `reply-to:${REPLIES}\ncorrelation-id:7\ncontent-type:text/plain\n\nx\0`,
        'SEND\ndestination:/queue/a\ncontent-length:3\nreceipt:8\nexpiration:5\n' +
            `k:v\nreply-to:${REPLIES}\ncorrelation-id:8\ncontent-type:x/y\n\n[1]\0`],
        outbox.takeAll());
  },

  async testManyAtOnceGetEachItsOwnReply() {
    const all = ['0', '1', '2'].map((id) => requests.ask(id, '/queue/a', id, {}));
    for (const id of ['2', '0', '1']) requests.settle(id, 'reply ' + id);
    assertArrayEquals(['reply 0', 'reply 1', 'reply 2'], await Promise.all(all));
    assertFalse(requests.fail('0', new QmqError('closed')));
  },

  async testATimeOutRejectsAndTakesTheRequestBack() {
    const late = assertRejects(requests.ask('0', '/queue/a', 'x', {timeout: 50}));
    clock.tick(49);
    assertEquals(1, outbox.length);
    clock.tick(1);
    const error = await late;
    assertEquals('request-timeout', error.code);
    assertEquals('none from /queue/a in 50 ms', error.detail);
    assertTrue(error.retry);
    assertEquals(0, outbox.length);
    requests.settle('0', 'late');
    assertFalse(requests.fail('0', error));
  },

  async testATimeoutThatNoTimerCanWaitForIsNotOverAtOnce() {
    const reply = requests.ask('0', '/queue/a', 'x', {timeout: Infinity});
    assertContains('\nexpiration:2147483647\n', outbox.takeAll()[0]);
    clock.tick(1000000);
    requests.settle('0', 'y');
    assertEquals('y', await reply);
  },

  testWhatIsNoTimeoutOrBodyIsThrown() {
    for (const timeout of [0, -1, NaN, null]) {
      const ask = () => requests.ask('0', '/queue/a', 'x', {timeout});
      assertTrue(assertThrows(ask) instanceof TypeError);
    }
    assertThrows(() => requests.ask('0', '/queue/a', () => {}, {}));
    assertEquals(0, outbox.length);
  },

  async testWhatCannotBeSentIsRejectedAndNothingWaits() {
    refusal = new QmqError('outbox-full');
    assertEquals(refusal, await assertRejects(requests.ask('0', '/queue/a', 'x', {})));
    assertFalse(requests.fail('0', refusal));
  },
});
