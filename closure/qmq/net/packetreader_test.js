/** @fileoverview Tests of qmq.net.PacketReader. */

goog.module('qmq.net.PacketReaderTest');
goog.setTestOnly();

const testSuite = goog.require('goog.testing.testSuite');
const vectors = goog.require('qmq.testing.vectors');
const {PacketReader} = goog.require('qmq.net.PacketReader');

/** Reads an answer in pieces of this size; tells of each packet. */
function read(text, size = text.length) {
  const reader = new PacketReader();
  const told = [];
  for (let at = 0; at < text.length; at += size) {
    for (const {number, data, name} of reader.feed(vectors.toBytes(text.slice(at, at + size)))) {
      told.push(data ? number + ' ' + String.fromCharCode(...data) : number + ' end ' + name);
    }
  }
  return told;
}

testSuite({
  async testReadsTheVectorsHoweverTheyAreCut() {
    const all = await vectors.loadFile('poll');
    assertTrue(all.length > 0);
    for (const vector of all) {
      const bytes = vector['bytes'];
      const packets = vector['packets'].map(
          (p) => p['number'] + ' ' + ('end' in p ? 'end ' + p['end'] : p['data']));
      for (let size = 1; size <= bytes.length; size++) {
        if (vector['error']) {
          assertThrows(vector['name'], () => read(bytes, size));
        } else {
          assertArrayEquals(vector['name'], packets, read(bytes, size));
        }
      }
    }
  },

  testAnyCutGivesTheSame() {
    const answer = '\n1 3\nabc\n2 0\n3 5\n\n1 2\n\nend 4000 slow-consumer\n';
    const packets = ['1 abc', '2 ', '3 \n1 2\n', '4000 end slow-consumer'];
    for (let size = 1; size <= answer.length; size++) {
      assertArrayEquals(packets, read(answer, size));
    }
  },

  testWhatIsNotWholeIsNotThere() {
    assertArrayEquals(['1 abc'], read('1 3\nabc2 3\nab'));
    assertArrayEquals([], read('1 3'));
  },

  testRefusesWhatIsNone() {
    for (const text of ['x\n', '1\n', '1 2 3\n', '-1 2\n', '1 99999999\n', 'end 1 x\n',
      'end 4000 <b>\n', '<html>\n', '1'.repeat(65)]) {
      assertThrows(() => read(text));
      assertThrows(() => read(text, 1));
    }
  },
});
