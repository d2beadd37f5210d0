/** @fileoverview Tests of qmq.Answers. */

goog.module('qmq.AnswersTest');
goog.setTestOnly();

const QmqError = goog.require('qmq.Error');
const recordFunction = goog.require('goog.testing.recordFunction');
const testSuite = goog.require('goog.testing.testSuite');
const {Answers} = goog.require('qmq.Answers');

testSuite({
  async testAnAnswerResolvesItsOwnPromise() {
    const answers = new Answers();
    const a = answers.expect('a', (headers) => headers.get('k'), () => {});
    const b = answers.expect('b', () => 'other', () => {});
    answers.settle('b', new Map());
    answers.settle('a', new Map([['k', 'v']]));
    answers.settle('a', new Map([['k', 'again']]));
    answers.settle('unknown', new Map());
    assertEquals('v', await a);
    assertEquals('other', await b);
  },

  async testAnErrorRejectsItsOwnPromise() {
    const answers = new Answers();
    const a = answers.expect('a', () => {}, () => {});
    const error = new QmqError('bad-destination');
    assertTrue(answers.fail('a', error));
    assertFalse(answers.fail('a', error));
    assertFalse(answers.fail('unknown', error));
    assertEquals(error, await assertRejects(a));
  },

  async testTheEndRejectsAll() {
    const answers = new Answers();
    const all = ['a', 'b'].map((id) => answers.expect(id, () => {}, () => {}));
    const error = new QmqError('closed');
    answers.failAll(error);
    for (const one of all) assertEquals(error, await assertRejects(one));
  },

  testEachIsReleasedOnceHoweverItEnds() {
    const answers = new Answers();
    const release = recordFunction();
    for (const id of ['a', 'b', 'c', 'd']) {
      answers.expect(id, () => {}, release).catch(() => {});
    }
    answers.settle('a', 1);
    answers.fail('b', new QmqError('request-timeout'));
    assertEquals(2, release.getCallCount());
    answers.failAll(new QmqError('closed'));
    answers.settle('c', 1);
    assertEquals(4, release.getCallCount());
  },
});
