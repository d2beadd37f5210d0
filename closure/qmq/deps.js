/**
 * @fileoverview Where the modules of the client are, for pages that load them with
 * base.js of the Closure Library. Made by js/build.mjs.
 */

goog.addDependency('../qmq/answers.js', ['qmq.Answers'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/backoff.js', ['qmq.Backoff'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/body.js', ['qmq.body'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/callback.js', ['qmq.callback'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/client.js', ['qmq.Client'], ['qmq.Answers', 'qmq.Emitter', 'qmq.Error', 'qmq.Journal', 'qmq.Link', 'qmq.Message', 'qmq.Requests', 'qmq.State', 'qmq.Subscription', 'qmq.Subscriptions', 'qmq.Turns', 'qmq.Unsettled', 'qmq.net.address', 'qmq.stomp.frames'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/closure/clientevent.js', ['qmq.closure.ClientEvent'], ['goog.events.Event'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/closure/eventclient.js', ['qmq.closure.EventClient'], ['goog.events.EventTarget', 'qmq.Client', 'qmq.closure.ClientEvent'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/connect.js', ['qmq.connect'], ['qmq.Client'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/connection.js', ['qmq.Connection'], ['qmq.Error', 'qmq.stomp.codec'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/cursor.js', ['qmq.Cursor'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/emitter.js', ['qmq.Emitter'], ['qmq.callback'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/error.js', ['qmq.Error'], ['qmq.errorcode'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/errorcode.js', ['qmq.errorcode'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/granted.js', ['qmq.granted'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/heartbeat.js', ['qmq.Heartbeat'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/journal.js', ['qmq.Journal'], ['qmq.stomp.codec'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/ladder.js', ['qmq.Ladder'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/link.js', ['qmq.Link'], ['qmq.Backoff', 'qmq.Connection', 'qmq.Error', 'qmq.Heartbeat', 'qmq.Ladder', 'qmq.login', 'qmq.net.LongPollingTransport', 'qmq.net.StreamingTransport', 'qmq.net.WebSocketTransport', 'qmq.stomp.frames'], {'lang': 'es8', 'module': 'goog'});
goog.addDependency('../qmq/login.js', ['qmq.login'], [], {'lang': 'es8', 'module': 'goog'});
goog.addDependency('../qmq/message.js', ['qmq.Message'], ['qmq.Answers', 'qmq.Error'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/address.js', ['qmq.net.address'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/listener.js', ['qmq.net.Listener'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/longpollingtransport.js', ['qmq.net.LongPollingTransport'], ['qmq.net.PollTransport'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/packetreader.js', ['qmq.net.PacketReader'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/polltransport.js', ['qmq.net.PollTransport'], ['qmq.errorcode', 'qmq.net.PacketReader', 'qmq.net.address', 'qmq.stomp.codec'], {'lang': 'es8', 'module': 'goog'});
goog.addDependency('../qmq/net/sockjs.js', ['qmq.net.sockjs'], ['qmq.net.WebSocketTransport', 'qmq.net.address', 'qmq.stomp.codec'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/streamingtransport.js', ['qmq.net.StreamingTransport'], ['qmq.net.PollTransport'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/transport.js', ['qmq.net.Transport'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/transportkind.js', ['qmq.net.TransportKind'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/net/websockettransport.js', ['qmq.net.WebSocketTransport'], ['qmq.net.address'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/options.js', ['qmq.options'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/requests.js', ['qmq.Requests'], ['qmq.Answers', 'qmq.Error', 'qmq.stomp.frames'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/state.js', ['qmq.State'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/bytebuffer.js', ['qmq.stomp.ByteBuffer'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/codec.js', ['qmq.stomp.codec'], ['qmq.Error', 'qmq.stomp.Decoder', 'qmq.stomp.escape'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/decoder.js', ['qmq.stomp.Decoder'], ['qmq.stomp.ByteBuffer', 'qmq.stomp.Frame', 'qmq.stomp.head'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/escape.js', ['qmq.stomp.escape'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/frame.js', ['qmq.stomp.Frame'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/frames.js', ['qmq.stomp.frames'], ['qmq.stomp.codec'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/stomp/head.js', ['qmq.stomp.head'], ['qmq.stomp.escape'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/subscription.js', ['qmq.Subscription'], ['qmq.Answers', 'qmq.Cursor', 'qmq.callback', 'qmq.granted', 'qmq.stomp.frames'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/subscriptions.js', ['qmq.Subscriptions'], [], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/testing/faketransport.js', ['qmq.testing.FakeTransport'], ['qmq.stomp.codec'], {'lang': 'es8', 'module': 'goog'});
goog.addDependency('../qmq/turns.js', ['qmq.Turns'], ['qmq.Answers', 'qmq.body'], {'lang': 'es6', 'module': 'goog'});
goog.addDependency('../qmq/unsettled.js', ['qmq.Unsettled'], ['qmq.Answers', 'qmq.Error'], {'lang': 'es6', 'module': 'goog'});
