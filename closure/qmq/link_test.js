/** @fileoverview Tests of qmq.Link: which transport, when, and what is heard. */

goog.module('qmq.LinkTest');
goog.setTestOnly();

const FakeTransport = goog.require('qmq.testing.FakeTransport');
const Link = goog.require('qmq.Link');
const MockClock = goog.require('goog.testing.MockClock');
const testSuite = goog.require('goog.testing.testSuite');

let clock;
let link;
let heard;
let high;
let low;

function make(options = {}) {
  link = new Link(
      new URL('https://h/stomp'), Object.assign({transports: [high, low]}, options), {
        ondial: () => heard.push('dial'),
        onconnected: () => heard.push('connected ' + link.transport),
        onframe: (frame) => heard.push(frame.command),
        onlost: (error, culprit, isFinal) => {
          heard.push([error.code, error.detail, isFinal ? 'for good' : ''].join(' ').trim());
        },
      });
  link.dial();
}

async function settle() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Lets time pass, and what follows from that happen. */
async function pass(milliseconds) {
  clock.tick(milliseconds);
  await settle();
}

async function connect(fake = high) {
  make();
  await fake.accept();
  heard = [];
}

testSuite({
  setUp() {
    sessionStorage.removeItem('qmq.transport');
    clock = new MockClock(true);
    high = new FakeTransport();
    low = new FakeTransport();
    high.transportName = 'high';
    low.transportName = 'low';
    heard = [];
  },

  tearDown() {
    link.stop();
    clock.uninstall();
    sessionStorage.removeItem('qmq.transport');
  },

  async testTheBestThatGetsThrough() {
    make();
    await high.refuse();
    await low.accept();
    assertArrayEquals(['dial', 'connected low'], heard);
    assertEquals('low', link.transport);
    low.drop();
    await pass(500);
    await low.accept();
    assertEquals(1, high.opens);  // It is remembered.
  },

  async testATransportThatSwallowsEverythingIsLeftInTime() {
    make();
    await high.opened();
    await pass(4999);
    assertEquals(0, low.opens);
    await pass(1);
    assertFalse(high.isOpen);
    await low.accept();
    assertArrayEquals(['dial', 'connected low'], heard);
  },

  async testOneThatOpensButNeverLetsInIsLeftToo() {
    make();
    await high.opened();
    high.listener().onopen();
    await pass(5000);
    await low.accept();
    assertArrayEquals(['dial', 'connected low'], heard);
  },

  async testWhenNoneGetsThroughEachSaysWhy() {
    make();
    await high.refuse(1006, 'nothing there');
    await low.opened();
    await pass(5000);
    assertArrayEquals(
        ['dial', 'connect-failed high: nothing there; low: no answer in 5000 ms'], heard);
    await pass(500);
    await high.accept();
    assertEquals('connected high', heard.pop());
  },

  async testAnAnswerOfTheServerIsNoReasonToTryAnother() {
    make();
    await high.opened();
    high.listener().onopen();
    high.receive('ERROR', {'code': 'too-many-connections', 'retry': 'true', 'retry-after': '3000'});
    assertArrayEquals(['dial', 'too-many-connections'], heard);
    await pass(2999);
    assertEquals(1, high.opens);
    await pass(501);
    assertEquals(2, high.opens);
    assertEquals(0, low.opens);
    await high.refuse(4511, 'bad-origin');
    assertEquals('bad-origin  for good', heard.pop());
    await pass(60000);
    assertEquals(2, high.opens);
  },

  async testThePausesGrowAndAStableConnectionEndsThat() {
    await connect();
    high.drop();
    await pass(500);
    for (const longest of [1000, 2000, 4000]) {
      await (high.isOpen ? high : low).refuse();
      if (low.isOpen) await low.refuse();
      await pass(longest);
      assertEquals('dial', heard[heard.length - 1]);
    }
    await high.accept();
    await pass(499);
    high.drop();  // That was nothing.
    await pass(8000);
    await high.accept();
    await pass(500);
    high.drop();
    await pass(500);
    await high.accept();
  },

  async testNothingIsHeardOfAnOlderConnection() {
    await connect();
    const listener = high.listener();
    high.drop();
    await pass(500);
    listener.ondata('MESSAGE\n\n\0');
    listener.onclose(4511, 'bad-origin');
    await high.accept();
    listener.ondata('MESSAGE\n\n\0');
    assertArrayEquals(['connection-lost', 'dial', 'connected high'], heard);
  },

  async testATokenThatComesTooLateIsOfNoInterest() {
    const give = [];
    make({token: () => new Promise((resolve) => give.push(resolve))});
    link.stop();
    give[0]('x');
    await settle();
    assertEquals(0, high.opens);
  },

  async testTheNetworkComesBack() {
    await connect();
    high.drop();
    window.dispatchEvent(new Event('online'));
    await settle();
    assertEquals(2, high.opens);
  },

  async testAPageThatComesBackAsksWhetherTheConnectionLives() {
    await connect();
    high.takeAllSent();
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('focus'));
    const [begin, abort] = high.takeAllSent();
    assertArrayEquals(['BEGIN', 'ABORT'], [begin.command, abort.command]);
    high.answer(abort);
    await pass(60000);
    assertArrayEquals([], heard);
    document.dispatchEvent(new Event('resume'));
    assertEquals(2, high.takeAllSent().length);
    await pass(5000);
    assertArrayEquals(['connection-lost No answer'], heard);
    await pass(500);
    await high.accept();
  },

  async testASlowNetworkGetsThroughInTheEnd() {
    make();
    await settle();
    const began = new Map();
    for (let now = 0; now < 60000 && !link.transport; now += 100) {
      for (const fake of [high, low].filter((fake) => fake.isOpen)) {
        const key = fake.transportName + fake.opens;
        if (!began.has(key)) began.set(key, now);
        const since = now - began.get(key);
        // 1.4 s each way: the connection takes 2.8, and the login as long again.
        if (since === 2800) fake.listener().onopen();
        if (since === 5600) fake.receive('CONNECTED', {});
      }
      await pass(100);
    }
    assertEquals('connected high', heard.pop());
    assertEquals(2, high.opens);
    assertEquals(1, low.opens);
  },

  async testSilenceIsNoticedAndWhatComesIsAnswered() {
    make({heartBeat: 3000});
    await high.accept({'heart-beat': '100,100'});
    const sounds = [];
    high.send = (data) => sounds.push(data);
    for (let i = 0; i < 10; i++) {
      await pass(1000);
      high.receiveData('\n');
    }
    assertArrayEquals(Array(10).fill('\n'), sounds);
    link.send('SEND');
    high.receiveData('\n');
    assertEquals(11, sounds.length);
    await pass(4500);
    assertEquals('connection-lost Nothing came for too long', heard.pop());
    assertFalse(high.isOpen);
    await pass(500);
    assertEquals(2, high.opens);
  },

  async testWhereRequestsAskForMoreNothingIsAnswered() {
    high.isPolling = true;
    make({heartBeat: 3000});
    const connect = await high.accept({'heart-beat': '100,100'});
    assertEquals('0,3000', connect.headers.get('heart-beat'));
    high.send = fail;
    for (let i = 0; i < 10; i++) {
      await pass(1000);
      high.receiveData('\n');
    }
  },

  async testWhenThePageIsShownTheTimesAreCompared() {
    make({heartBeat: 3000});
    await high.accept({'heart-beat': '100,100'});
    link.heartbeat_.stop();  // As if its timer were held back.
    await pass(4499);
    high.takeAllSent();
    await pass(1);
    document.dispatchEvent(new Event('visibilitychange'));
    assertEquals('connection-lost Nothing came for too long', heard.pop());
  },

  async testWithoutHeartBeatsNoneIsPromised() {
    make({heartBeat: 0});
    const connect = await high.accept({'heart-beat': '100,100'});
    assertEquals('0,0', connect.headers.get('heart-beat'));
    await pass(3600000);
    assertEquals('connected high', heard.pop());
  },

  async testNoTimerRunsWhileItIsConnected() {
    await connect();
    const before = clock.getTimeoutsMade();
    for (let i = 0; i < 100; i++) high.receive('MESSAGE', {});
    await pass(3600000);
    assertEquals(before, clock.getTimeoutsMade());
    assertEquals(100, heard.length);
  },
});
