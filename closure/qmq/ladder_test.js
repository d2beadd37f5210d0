/** @fileoverview Tests of qmq.Ladder. */

goog.module('qmq.LadderTest');
goog.setTestOnly();

const Ladder = goog.require('qmq.Ladder');
const MockClock = goog.require('goog.testing.MockClock');
const testSuite = goog.require('goog.testing.testSuite');

let clock;
/** What the page's session keeps. */
let kept;

const storage = () => ({
  getItem: (key) => key in kept ? kept[key] : null,
  setItem: (key, value) => void (kept[key] = value),
});

function kind(transportName, isEnabled = true) {
  return {transportName, enabled: () => isEnabled, create: fail};
}

const KINDS = [kind('a'), kind('b'), kind('c')];

function round(ladder) {
  const names = [];
  ladder.begin();
  for (let next; (next = ladder.next());) names.push(next.transportName);
  return names.join('');
}

testSuite({
  setUp() {
    kept = {};
    clock = new MockClock(true);
    clock.tick(1e9);
  },

  tearDown() {
    clock.uninstall();
  },

  testTheBestFirstIfThisBrowserHasIt() {
    assertEquals('abc', round(new Ladder(KINDS, storage)));
    assertEquals('ac', round(new Ladder([kind('a'), kind('b', false), kind('c')], storage)));
    assertEquals('', round(new Ladder([kind('a', false)], storage)));
  },

  testWhatWorkedComesFirstForAWhile() {
    const ladder = new Ladder(KINDS, storage);
    ladder.begin();
    ladder.succeed(KINDS[1], 10);
    assertEquals('bac', round(ladder));
    assertEquals('bac', round(new Ladder(KINDS, storage)));
    assertEquals('ac', round(new Ladder([KINDS[0], KINDS[2]], storage)));
    clock.tick(300000);
    assertEquals('abc', round(ladder));
    assertEquals('abc', round(new Ladder(KINDS, storage)));
  },

  testAReturnToItDoesNotProlongThat() {
    const ladder = new Ladder(KINDS, storage);
    ladder.succeed(KINDS[1], 10);
    clock.tick(200000);
    ladder.succeed(KINDS[1], 10);
    clock.tick(100000);
    assertEquals('abc', round(ladder));
    ladder.succeed(KINDS[1], 10);
    assertEquals('bac', round(ladder));
  },

  testWhatWorkedIsNotGivenUpAtOnce() {
    const ladder = new Ladder(KINDS, storage);
    ladder.succeed(KINDS[1], 10);
    const rounds = [];
    for (let i = 0; i < 4; i++) {
      ladder.lose();
      rounds.push(round(ladder));
    }
    assertArrayEquals(['b', 'b', 'bac', 'bac'], rounds);
  },

  testSaysWhyEachFailed() {
    const ladder = new Ladder(KINDS, storage);
    ladder.begin();
    assertEquals('No transport works here', ladder.reasons);
    ladder.fail(KINDS[0], 'x');
    ladder.fail(KINDS[1], 'y');
    assertEquals('a: x; b: y', ladder.reasons);
    ladder.begin();
    assertEquals('No transport works here', ladder.reasons);
  },

  testIsAsPatientAsTheNetworkIsSlow() {
    const ladder = new Ladder(KINDS, storage);
    assertEquals(5000, ladder.patience);
    ladder.succeed(KINDS[0], 10);
    assertEquals(2000, ladder.patience);
    ladder.succeed(KINDS[0], 1000);
    assertEquals(6000, ladder.patience);
  },

  testItsPatienceGrowsWhileEverythingTakesTooLong() {
    const ladder = new Ladder(KINDS, storage);
    const waited = [];
    for (let i = 0; i < 5; i++) {
      round(ladder);
      ladder.grow();
      ladder.grow();
      waited.push(ladder.patience);
      ladder.lose();
    }
    assertArrayEquals([5000, 10000, 20000, 30000, 30000], waited);
    round(ladder);
    round(ladder);  // Refused at once is not slow.
    assertEquals(30000, ladder.patience);
    ladder.grow();
    ladder.succeed(KINDS[0], 9000);
    assertEquals(30000, ladder.patience);
    ladder.succeed(KINDS[0], 100);
    round(ladder);
    assertEquals(2000, ladder.patience);
  },

  testWithoutStorageTheClientRemembersAlone() {
    const denied = () => {
      throw new Error('SecurityError');
    };
    for (const none of [denied, () => null]) {
      const ladder = new Ladder(KINDS, none);
      ladder.succeed(KINDS[2], 10);
      assertEquals('cab', round(ladder));
    }
  },
});
