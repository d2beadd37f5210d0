/**
 * @fileoverview Tests of qmq.net.sockjs: text, octets in base64 both ways, and the order of events.
 */

goog.module('qmq.net.sockjsTest');
goog.setTestOnly();

const codec = goog.require('qmq.stomp.codec');
const testSuite = goog.require('goog.testing.testSuite');
const {fromText, toText, transport} = goog.require('qmq.net.sockjs');

/** Stands for the client of SockJS: remembers, and says what it is told to. */
class FakeSockJs {
  /** @param {string} url */
  constructor(url) {
    this.url = url;
    this.sent = [];
    this.closed = 0;
    FakeSockJs.last = this;
  }

  /** @param {string} text */
  send(text) {
    assertEquals('string', typeof text);
    this.sent.push(text);
  }

  close() {
    this.closed++;
  }
}

/** @type {?FakeSockJs} */
FakeSockJs.last = null;

const ANY = Uint8Array.from({length: 256}, (_, i) => i);

testSuite({
  testTextStaysText() {
    const frame = 'SEND\ndestination:/topic/ä\n\nbody \u2028\0';
    assertEquals(frame, toText(new TextEncoder().encode(frame)));
    assertEquals(frame, fromText(frame));
    assertEquals('\n', fromText('\n'));
  },

  testOctetsGoInBase64AndComeBack() {
    const frame = codec.encode('SEND', new Map([['destination', '/topic/a'], ['content-length', '256']]), ANY);
    const text = toText(/** @type {!Uint8Array} */ (frame));
    assertTrue(text.startsWith('SEND\ncontent-transfer-encoding:base64\ndestination:/topic/a\ncontent-length:344\n\nAAEC'));
    assertEquals('\0', text.slice(-1));
    assertArrayEquals([...frame], [...fromText(text)]);
  },

  testABodyThatMentionsTheHeaderIsNone() {
    const frame = 'MESSAGE\na:b\n\ncontent-transfer-encoding:base64\n\nxx\0';
    assertEquals(frame, fromText(frame));
  },

  testIsATransport() {
    const heard = [];
    const kind = transport(/** @type {?} */ (FakeSockJs));
    assertEquals('sockjs', kind.transportName);
    assertTrue(kind.enabled());
    const carried = kind.create('https://h/x/stomp?a=1', {
      onopen: () => heard.push('open'),
      ondata: (data) => heard.push(data),
      onclose: (code, reason) => heard.push([code, reason]),
    });
    carried.open();
    const socket = FakeSockJs.last;
    assertEquals('https://h/x/sockjs?a=1', socket.url);
    socket.onopen();
    carried.send('CONNECT\n\n\0');
    carried.send(new Uint8Array([0x41, 0x0a, 0x0a, 0xff, 0]));
    assertArrayEquals(
        ['CONNECT\n\n\0', 'A\ncontent-transfer-encoding:base64\ncontent-length:4\n\n/w==\0'], socket.sent);
    socket.onmessage({data: 'A\ncontent-transfer-encoding:base64\ncontent-length:4\n\n/w==\0'});
    socket.onclose({code: 2007, reason: 'Transport timed out'});
    assertEquals('open', heard[0]);
    assertEquals('A\ncontent-length:1\n\n', new TextDecoder().decode(heard[1].subarray(0, -2)));
    assertArrayEquals([0xff, 0], [...heard[1].subarray(-2)]);
    assertArrayEquals([2007, 'Transport timed out'], heard[2]);
    carried.close();
    assertEquals(1, socket.closed);
  },
});
