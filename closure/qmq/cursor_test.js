/** @fileoverview Tests of qmq.Cursor. */

goog.module('qmq.CursorTest');
goog.setTestOnly();

const Cursor = goog.require('qmq.Cursor');
const testSuite = goog.require('goog.testing.testSuite');

testSuite({
  testKeepsTheLastOfEachOrigin() {
    const cursor = new Cursor('a.x.1,b-2.y.5');
    cursor.advance('a.x.2');
    cursor.advance('c.z.7');
    cursor.advance('a.w.1');
    assertEquals('a.w.1,b-2.y.5,c.z.7', String(cursor));
  },

  testWhatIsNoIdChangesNothing() {
    const cursor = new Cursor('');
    for (const id of ['', 'fake', 'a.b', '1@2']) cursor.advance(id);
    assertEquals('', String(cursor));
  },
});
