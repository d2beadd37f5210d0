/** @fileoverview Tests of qmq.Turns. */

goog.module('qmq.TurnsTest');
goog.setTestOnly();

const Turns = goog.require('qmq.Turns');
const testSuite = goog.require('goog.testing.testSuite');

/** Something whose bytes are there when a test says so. */
function slow() {
  let give;
  let refuse;
  const blob = new Blob([]);
  blob.arrayBuffer = () => new Promise((resolve, reject) => {
    give = (text) => resolve(new TextEncoder().encode(text).buffer);
    refuse = reject;
  });
  return {blob, give: (text) => give(text), refuse: (error) => refuse(error)};
}

let turns;
let sent;

function take(body, type) {
  return turns.take(body, type, (payload) => {
    const text = typeof payload.data === 'string' ? payload.data : new TextDecoder().decode(payload.data);
    sent.push(text);
    return Promise.resolve(text + '!');
  });
}

testSuite({
  setUp() {
    turns = new Turns();
    sent = [];
  },

  async testWhatIsThereIsHandedOnAtOnce() {
    const done = take('a');
    assertArrayEquals(['a'], sent);
    assertEquals('a!', await done);
  },

  async testWhatComesLaterWaitsForWhatIsRead() {
    const [one, two] = [slow(), slow()];
    const all = [take('a'), take(one.blob), take('b'), take(two.blob), take('c')];
    assertArrayEquals(['a'], sent);
    two.give('2');
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertArrayEquals(['a'], sent);
    one.give('1');
    assertArrayEquals(['a!', '1!', 'b!', '2!', 'c!'], await Promise.all(all));
    assertArrayEquals(['a', '1', 'b', '2', 'c'], sent);
    take('d');
    assertArrayEquals(['d'], sent.slice(5));
  },

  async testOneThatIsSentWaitsForNoAnswer() {
    const {blob, give} = slow();
    turns.take(blob, undefined, () => new Promise(() => {}));
    const after = take('b');
    give('1');
    assertEquals('b!', await after);
  },

  async testOneThatCannotBeReadHoldsUpNobody() {
    const {blob, refuse} = slow();
    const bad = take(blob);
    const good = take('b');
    refuse(new Error('NotReadable'));
    assertEquals('NotReadable', (await assertRejects(bad)).message);
    assertEquals('b!', await good);
    assertArrayEquals(['b'], sent);
  },

  async testWhatIsNoBodyIsRejectedAndTroublesNobody() {
    const unhandled = [];
    const note = (event) => unhandled.push(event.reason);
    window.addEventListener('unhandledrejection', note);
    take(new Map());
    turns.take('a', undefined, () => {
      throw new Error('no');
    });
    turns.take('a', undefined, () => Promise.reject(new Error('no')));
    turns.take(new Blob(['x']), undefined, () => Promise.reject(new Error('no')));
    assertTrue(await assertRejects(take(new Map())) instanceof TypeError);
    await new Promise((resolve) => setTimeout(resolve, 50));
    window.removeEventListener('unhandledrejection', note);
    assertArrayEquals([], unhandled);
  },
});
