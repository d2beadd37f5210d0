/** @fileoverview Tests of qmq.Heartbeat. */

goog.module('qmq.HeartbeatTest');
goog.setTestOnly();

const Heartbeat = goog.require('qmq.Heartbeat');
const MockClock = goog.require('goog.testing.MockClock');
const testSuite = goog.require('goog.testing.testSuite');

let clock;
let told;

function make(wish, agreed, isAnswering = true) {
  return new Heartbeat(wish, agreed, isAnswering, {
    beat: () => told.push('beat'),
    ask: () => told.push('ask'),
    lose: () => told.push('lose'),
  });
}

testSuite({
  setUp() {
    clock = new MockClock(true);
    told = [];
  },

  tearDown() {
    clock.uninstall();
  },

  testSilenceIsNoticedOnce() {
    const heartbeat = make(1000, '100,100');
    clock.tick(1499);
    assertFalse(heartbeat.isSilent);
    assertArrayEquals([], told);
    clock.tick(1);
    assertTrue(heartbeat.isSilent);
    assertArrayEquals(['lose'], told);
    clock.tick(100000);
    assertArrayEquals(['lose'], told);
  },

  testWhateverComesIsASignOfLife() {
    const heartbeat = make(1000, '100,0');
    for (let i = 0; i < 20; i++) {
      clock.tick(1400);
      heartbeat.heard(true);
    }
    assertArrayEquals([], told);
    clock.tick(1500);
    assertArrayEquals(['lose'], told);
  },

  testTheServersIntervalCountsIfItIsLonger() {
    make(1000, '4000,0');
    clock.tick(5999);
    assertArrayEquals([], told);
    clock.tick(1);
    assertArrayEquals(['lose'], told);
  },

  testWhatComesIsAnsweredUnlessSomethingWasSent() {
    const heartbeat = make(900, '100,100');
    clock.tick(299);
    heartbeat.heard(true);
    assertArrayEquals([], told);
    clock.tick(1);
    heartbeat.heard(true);
    heartbeat.heard(true);
    assertArrayEquals(['beat'], told);
    clock.tick(299);
    heartbeat.sent();
    clock.tick(299);
    heartbeat.heard(true);
    assertArrayEquals(['beat'], told);
  },

  testWhatIsMoreThanASignOfLifeIsAnsweredALittleLater() {
    const heartbeat = make(900, '100,100');
    clock.tick(400);
    heartbeat.heard(false);
    heartbeat.heard(false);
    assertArrayEquals([], told);
    clock.tick(300);
    assertArrayEquals(['beat'], told);
    clock.tick(400);
    heartbeat.heard(false);
    heartbeat.sent();
    clock.tick(299);
    assertArrayEquals(['beat'], told);
    clock.tick(1000);  // Timers may be held back for longer than the server waits.
    heartbeat.heard(false);
    assertArrayEquals(['beat', 'beat'], told);
    clock.tick(400);
    heartbeat.heard(false);
    heartbeat.stop();
    clock.tick(1000);
    assertArrayEquals(['beat', 'beat'], told);
  },

  testNothingIsAnsweredWhereItIsNotWanted() {
    for (const asked of [[900, '100,0'], [900, '100,100', false], [0, '100,100']]) {
      const heartbeat = make(...asked);
      clock.tick(800);
      heartbeat.heard(true);
      heartbeat.stop();
    }
    assertArrayEquals([], told);
  },

  testAServerThatPromisesNothingIsNeverSilent() {
    for (const agreed of [undefined, '', '0,0', '0,100', 'x,y']) {
      const heartbeat = make(1000, agreed);
      clock.tick(100000);
      assertFalse(heartbeat.isSilent);
    }
    make(0, '100,100');
    clock.tick(100000);
    assertArrayEquals([], told);
  },

  testATimerThatWasHeldBackAsksFirst() {
    const {setTimeout} = window;
    // As in a tab in the background, where timers run once a minute.
    window.setTimeout = (callback, delay) => setTimeout(callback, Math.max(delay, 60000));
    const heartbeat = make(1000, '100,0');
    clock.tick(59999);
    assertTrue(heartbeat.isSilent);
    assertArrayEquals([], told);
    clock.tick(1);
    assertArrayEquals(['ask'], told);
    heartbeat.heard(true);
    clock.tick(60000);
    assertArrayEquals(['ask', 'ask'], told);
    window.setTimeout = setTimeout;
    heartbeat.stop();
  },

  testStoppedItSaysNothing() {
    make(1000, '100,100').stop();
    clock.tick(100000);
    assertArrayEquals([], told);
  },
});
