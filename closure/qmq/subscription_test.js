/** @fileoverview Tests of qmq.Subscription. */

goog.module('qmq.SubscriptionTest');
goog.setTestOnly();

const Frame = goog.require('qmq.stomp.Frame');
const QmqError = goog.require('qmq.Error');
const Subscription = goog.require('qmq.Subscription');
const Unsettled = goog.require('qmq.Unsettled');
const testSuite = goog.require('goog.testing.testSuite');

/** What the page was told. */
let told;
let ends;
let refusals;

function make(destination = '/topic/*', options = {}) {
  return new Subscription(
      destination, (m) => told.push(m),
      Object.assign({onrecovered: (isWhole) => told.push(isWhole)}, options), {
        unsubscribe: () => {
          ends++;
          return Promise.resolve();
        },
        unsettled: () => new Unsettled(false, () => Promise.resolve()),
        read: (frame, unsettled) => {
          unsettled.add(frame.headers.get('ack') || '');
          return {id: frame.headers.get('message-id'), unsettled};
        },
        refused: (error) => refusals.push(error),
      });
}

function deliver(subscription, id, headers = []) {
  subscription.deliver(
      new Frame('MESSAGE', new Map([['message-id', id], ...headers]), new Uint8Array(0)));
}

/** The headers of its next SUBSCRIBE that say where to begin. */
function begins(subscription) {
  const text = String(subscription.frame('7', 'r'));
  return text.split('\n').filter((line) => /^(from|cursor):/.test(line)).join();
}

function grant(subscription, headers = {}) {
  subscription.grant(new Map(Object.entries(headers)));
}

testSuite({
  setUp() {
    told = [];
    ends = 0;
    refusals = [];
  },

  testDelivers() {
    const sub = make();
    deliver(sub, 'a.x.1');
    assertEquals('a.x.1', told[0].id);
    assertEquals('/topic/*', sub.destination);
  },

  testUnsubscribesOnce() {
    const sub = make();
    assertEquals(sub.unsubscribe(), sub.unsubscribe());
    assertEquals(1, ends);
  },

  async testGoesOnWhereItWas() {
    const sub = make();
    assertEquals('from:latest', begins(sub));
    assertEquals('', sub.cursor);
    grant(sub, {'cursor': 'a.x.4', 'recovered': 'true'});
    assertEquals('a.x.4', (await sub.ready).cursor);
    deliver(sub, 'a.x.5');
    deliver(sub, 'b.y.1');
    sub.lose();
    assertEquals('cursor:a.x.5,b.y.1', begins(sub));
    assertEquals(1 + 1, told.length);  // The first time is no return.
    grant(sub, {'cursor': 'a.x.5,b.y.1', 'recovered': 'true'});
    assertEquals(true, told[2]);
    sub.lose();
    grant(sub, {'cursor': 'a.z.9', 'recovered': 'false'});
    assertEquals(false, told[3]);
    assertEquals('a.z.9', sub.cursor);
  },

  testThePagesOwnCursorAndTheEarliestAreReturnsToo() {
    const sub = make('/topic/a', {cursor: 'a.x.5'});
    assertEquals('cursor:a.x.5', begins(sub));
    grant(sub, {'recovered': 'true'});
    const all = make('/topic/a', {from: 'earliest'});
    assertEquals('from:earliest', begins(all));
    grant(all, {'recovered': 'false'});
    assertArrayEquals([true, false], told);
  },

  testAServerThatSaysNothingHasRecoveredNothing() {
    const sub = make('/topic/a', {from: 'earliest', onrecovered: undefined});
    grant(sub);
    sub.onrecovered = (isWhole) => told.push(isWhole);
    sub.lose();
    assertEquals('from:latest', begins(sub));  // It does not begin again.
    grant(sub);
    assertArrayEquals([false], told);
  },

  testQueuesKeepTheirOwnPlace() {
    for (const sub of [make('/queue/a'), make('/topic/a', {ack: 'client'})]) {
      grant(sub, {'cursor': 'a.x.4'});
      deliver(sub, 'a.x.5');
      sub.lose();
      assertEquals('from:latest', begins(sub));
      grant(sub);
    }
    assertEquals(2, told.length);
  },

  async testWhatCameByALostConnectionIsNotSettled() {
    const sub = make('/queue/a', {ack: 'client-individual'});
    deliver(sub, 'a.x.1', [['ack', '1']]);
    sub.lose();
    deliver(sub, 'a.x.1', [['ack', '1']]);
    const [old, current] = told;
    const error = await assertRejects(old.unsettled.settle('ACK', '1', true));
    assertEquals('connection-lost', error.code);
    assertUndefined(await current.unsettled.settle('ACK', '1', true));
  },

  async testARefusalIsToldToItsOwnFunctionOrToTheClient() {
    const error = new QmqError('forbidden');
    error.isRefusal = true;
    const silent = make();
    silent.refuse(error);
    assertEquals(error, await assertRejects(silent.ready));
    assertArrayEquals([error], refusals);
    const sub = make('/topic/a', {onerror: (e) => told.push(e)});
    grant(sub, {});
    told.length = 0;
    sub.refuse(error);  // After a return.
    assertArrayEquals([error], told);
    assertArrayEquals([error], refusals);
  },

  async testItNeverCameToBe() {
    const sub = make();
    sub.fail(new QmqError('bad-pattern'));
    assertEquals('bad-pattern', (await assertRejects(sub.ready)).code);
  },
});
