/** @fileoverview Tests of qmq.net.WebSocketTransport, on a fake WebSocket. */

goog.module('qmq.net.WebSocketTransportTest');
goog.setTestOnly();

const PropertyReplacer = goog.require('goog.testing.PropertyReplacer');
const WebSocketTransport = goog.require('qmq.net.WebSocketTransport');
const testSuite = goog.require('goog.testing.testSuite');

const stubs = new PropertyReplacer();

/** What the browser's WebSocket would do, done by the test. */
class FakeSocket {
  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    this.sent = [];
    this.closedWith = null;
    FakeSocket.last = this;
  }

  send(data) {
    this.sent.push(data);
  }

  close(code) {
    this.closedWith = code;
  }
}

/** Opens a transport; answers what its listener hears, and both. */
function start() {
  const heard = [];
  const transport = WebSocketTransport.create('https://h/stomp', {
    onopen: () => heard.push('open'),
    ondata: (data) => heard.push(data),
    onclose: (code, reason) => heard.push(code + reason),
  });
  transport.open();
  return {heard, transport, socket: FakeSocket.last};
}

/** The person leaves the page. */
function leave(persisted) {
  window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted}));
}

testSuite({
  setUp() {
    stubs.set(window, 'WebSocket', FakeSocket);
  },

  tearDown() {
    stubs.reset();
  },

  testIsEnabledWhereThereIsAWebSocket() {
    assertTrue(WebSocketTransport.enabled());
    assertEquals('websocket', WebSocketTransport.transportName);
    stubs.set(window, 'WebSocket', undefined);
    assertFalse(WebSocketTransport.enabled());
  },

  testAsksForStomp() {
    const {socket} = start();
    assertEquals('wss://h/stomp', socket.url);
    assertArrayEquals(['v12.stomp'], socket.protocols);
    assertEquals('arraybuffer', socket.binaryType);
  },

  testTellsInOrderAndOnce() {
    const {heard, socket} = start();
    socket.onopen();
    socket.onmessage({data: 'text'});
    socket.onmessage({data: Uint8Array.of(1, 2).buffer});
    socket.onclose({code: 1012, reason: 'r'});
    socket.onclose({code: 1006, reason: ''});
    socket.onmessage({data: 'late'});
    assertArrayEquals(['open', 'text', Uint8Array.of(1, 2), '1012r'], heard);
    assertTrue(heard[2] instanceof Uint8Array);
  },

  testSendsWhatItIsGiven() {
    const {socket, transport} = start();
    const bytes = Uint8Array.of(1);
    transport.send('a');
    transport.send(bytes);
    assertArrayEquals(['a', bytes], socket.sent);
  },

  testIsSilentOnceItsOwnerClosedIt() {
    const {heard, socket, transport} = start();
    transport.close();
    transport.close();
    assertEquals(1000, socket.closedWith);
    socket.onopen();
    socket.onmessage({data: 'late'});
    socket.onclose({code: 1000, reason: ''});
    assertArrayEquals([], heard);
  },

  testEndsWhenThePageIsPutAway() {
    const {heard, socket} = start();
    leave(false);
    assertArrayEquals([], heard);
    leave(true);
    leave(true);
    socket.onclose({code: 1006, reason: ''});
    assertArrayEquals(['1006The page was left'], heard);
  },

  testIsSilentAboutThePageOnceClosed() {
    const {heard, transport} = start();
    transport.close();
    leave(true);
    assertArrayEquals([], heard);
  },

  async testWhatTheBrowserForbidsIsHeardLater() {
    stubs.set(window, 'WebSocket', function() {
      throw new Error('forbidden');
    });
    const {heard} = start();
    assertArrayEquals([], heard);
    await Promise.resolve();
    assertArrayEquals(['1006Error: forbidden'], heard);
  },

  async testClosingBeforeThatIsHeardSilencesIt() {
    stubs.set(window, 'WebSocket', function() {
      throw new Error('forbidden');
    });
    const {heard, transport} = start();
    transport.close();
    await Promise.resolve();
    assertArrayEquals([], heard);
  },
});
