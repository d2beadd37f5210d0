/** @fileoverview Tests of qmq.stomp.Decoder: the vectors, and what they leave. */

goog.module('qmq.stomp.DecoderTest');
goog.setTestOnly();

const Decoder = goog.require('qmq.stomp.Decoder');
const testSuite = goog.require('goog.testing.testSuite');
const vectors = goog.require('qmq.testing.vectors');

/** The limits of a case under the names of the decoder's. */
function limitsOf(vector) {
  const limits = vector['limits'] || {};
  return {
    maxBody: limits['max_body'],
    maxHeaders: limits['max_headers'],
    maxHeaderBytes: limits['max_header_bytes'],
  };
}

/** A frame in the form of the vectors. */
function plain(frame) {
  return {
    'command': frame.command,
    'headers': Array.from(frame.headers),
    'body': vectors.fromBytes(frame.body),
  };
}

function check(vector, pieces) {
  const decoder = new Decoder(limitsOf(vector));
  const frames = [];
  for (const piece of pieces) frames.push(...decoder.feed(piece).map(plain));
  assertObjectEquals(vector['name'], vector['frames'], frames);
  assertEquals(vector['name'], vector['error'], decoder.error);
}

testSuite({
  async testVectorsWhole() {
    const all = await vectors.load('1.2');
    assertTrue(all.length > 30);
    for (const vector of all) check(vector, [vectors.toBytes(vector['bytes'])]);
  },

  async testVectorsCutInTwoAtEveryByte() {
    for (const vector of await vectors.load('1.2')) {
      const bytes = vectors.toBytes(vector['bytes']);
      for (let at = 1; at < bytes.length; at++) {
        check(vector, [bytes.subarray(0, at), bytes.subarray(at)]);
      }
    }
  },

  async testVectorsByteByByte() {
    for (const vector of await vectors.load('1.2')) {
      const bytes = vectors.toBytes(vector['bytes']);
      check(vector, Array.from(bytes, (byte) => Uint8Array.of(byte)));
    }
  },

  async testVectorsThatAreTextComeAsText() {
    const utf8 = new TextDecoder('utf-8', {fatal: true});
    for (const vector of await vectors.load('1.2')) {
      let text;
      try {
        text = utf8.decode(vectors.toBytes(vector['bytes']));
      } catch (error) {
        continue;
      }
      check(vector, [text]);
    }
  },

  testNothingIsReadAfterAnError() {
    const decoder = new Decoder();
    decoder.feed('nonsense\n\n\0');
    assertArrayEquals([], decoder.feed('RECEIPT\nreceipt-id:1\n\n\0'));
    assertEquals('bad-frame', decoder.error);
  },

  testABodyOwnsItsMemory() {
    const data = new TextEncoder().encode('MESSAGE\n\nabc\0');
    const [frame] = new Decoder().feed(data);
    data.fill(0);
    assertEquals('abc', vectors.fromBytes(frame.body));
  },

  testWhatIsFedIsNeverWrittenTo() {
    const decoder = new Decoder();
    const first = new TextEncoder().encode('MESSAGE\n\nab');
    const before = Array.from(first);
    decoder.feed(first);
    decoder.feed('cd\0MESSAGE\n\ne');
    decoder.feed('f\0');
    assertArrayEquals(before, Array.from(first));
  },

  testABodyInManyPieces() {
    const decoder = new Decoder();
    decoder.feed('MESSAGE\ncontent-length:200000\n\n');
    const piece = new Uint8Array(1000).fill(7);
    for (let i = 0; i < 200; i++) assertArrayEquals([], decoder.feed(piece));
    const [frame] = decoder.feed('\0');
    assertEquals(200000, frame.body.length);
    assertTrue(frame.body.every((byte) => byte === 7));
  },

  testTheDefaultLimitOfHeaders() {
    const decoder = new Decoder();
    decoder.feed('MESSAGE\nx:' + 'y'.repeat(64 * 1024));
    assertEquals('headers-too-large', decoder.error);
  },
});
