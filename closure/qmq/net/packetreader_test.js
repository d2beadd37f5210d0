/** @fileoverview Tests of qmq.net.PacketReader. */

goog.module('qmq.net.PacketReaderTest');
goog.setTestOnly();

const testSuite = goog.require('goog.testing.testSuite');
const {PacketReader} = goog.require('qmq.net.PacketReader');

function octets(text) {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Reads an answer in pieces of this size; tells of each packet. */
function read(text, size = text.length) {
  const reader = new PacketReader();
  const told = [];
  for (let at = 0; at < text.length; at += size) {
    for (const {number, data, name} of reader.feed(octets(text.slice(at, at + size)))) {
      told.push(data ? number + ' ' + String.fromCharCode(...data) : number + ' end ' + name);
    }
  }
  return told;
}

testSuite({
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
