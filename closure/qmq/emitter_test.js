/** @fileoverview Tests of qmq.Emitter. */

goog.module('qmq.EmitterTest');
goog.setTestOnly();

const Emitter = goog.require('qmq.Emitter');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testCallsTheFirstThenTheOthersInOrder() {
    const emitter = new Emitter();
    const seen = [];
    emitter.add((x) => seen.push('a' + x));
    emitter.add((x) => seen.push('b' + x));
    emitter.emit(1, (x) => seen.push('first' + x));
    assertArrayEquals(['first1', 'a1', 'b1'], seen);
  },

  testRemovesOneListenerOnly() {
    const emitter = new Emitter();
    const seen = [];
    const listener = (x) => seen.push(x);
    const remove = emitter.add(listener);
    emitter.add(listener);
    remove();
    remove();
    emitter.emit(1, null);
    assertArrayEquals([1], seen);
  },

  testAListenerThatAnotherRemovesIsNotCalled() {
    const emitter = new Emitter();
    const seen = [];
    let remove = () => {};
    emitter.add(() => remove());
    remove = emitter.add((x) => seen.push(x));
    emitter.emit(1, null);
    assertArrayEquals([], seen);
  },

  testAListenerAddedMeanwhileHearsTheNext() {
    const emitter = new Emitter();
    const seen = [];
    emitter.add(() => emitter.add((x) => seen.push(x)));
    emitter.emit(1, null);
    emitter.emit(2, null);
    assertArrayEquals([2], seen);
  },

  testMuteInTheMidstSilencesTheRest() {
    const emitter = new Emitter();
    const seen = [];
    emitter.add(() => emitter.mute());
    emitter.add((x) => seen.push(x));
    emitter.emit(1, null);
    emitter.emit(2, (x) => seen.push(x));
    assertArrayEquals([], seen);
  },
});
