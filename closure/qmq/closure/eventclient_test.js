/** @fileoverview Tests of qmq.closure.EventClient. */

goog.module('qmq.closure.EventClientTest');
goog.setTestOnly();

const Disposable = goog.require('goog.Disposable');
const EventClient = goog.require('qmq.closure.EventClient');
const EventTarget = goog.require('goog.events.EventTarget');
const FakeTransport = goog.require('qmq.testing.FakeTransport');
const googEvents = goog.require('goog.events');
const testSuite = goog.require('goog.testing.testSuite');

const {EventType} = EventClient;

let fake;
let client;
let heard;

testSuite({
  setUp() {
    fake = new FakeTransport();
    client = new EventClient('/stomp', {transports: [fake]});
    heard = [];
    googEvents.listen(client, EventType.STATE, (e) => heard.push(e.state));
    googEvents.listen(client, EventType.ERROR, (e) => heard.push(e.error.code));
  },

  tearDown() {
    client.dispose();
  },

  testIsWhatAClosureApplicationExpects() {
    assertTrue(client instanceof EventTarget);
    assertTrue(client instanceof Disposable);
    assertEquals(3, new Set(Object.values(EventType)).size);
  },

  async testDispatchesStatesAndErrors() {
    await fake.accept();
    assertEquals('open', client.getState());
    fake.drop();
    assertArrayEquals(['open', 'connection-lost', 'waiting'], heard);
    await fake.refuse(4511, 'bad-origin');
    assertEquals('bad-origin', (await client.getClient().closed).code);
  },

  async testDispatchesMessages() {
    await fake.accept();
    const sub = client.subscribe('/topic/a', {maxMessages: 3});
    assertEquals('3', fake.takeSent().headers.get('max-messages'));
    googEvents.listen(client, EventType.MESSAGE, (e) => {
      assertEquals(sub, e.subscription);
      heard.push(e.message.text());
    });
    fake.message('0', '/topic/a', 'hi');
    assertArrayEquals(['open', 'hi'], heard);
  },

  async testPublishes() {
    await fake.accept();
    const done = client.publish('/topic/a', 'x');
    fake.answer(fake.takeSent());
    assertUndefined(await done);
  },

  async testRequests() {
    await fake.accept();
    const reply = client.request('/queue/a', 'x');
    fake.reply(fake.takeSent(), 'y');
    assertEquals('y', (await reply).text());
  },

  async testDisposingTellsTheLastStateAndNothingMore() {
    await fake.accept();
    client.dispose();
    assertTrue(client.isDisposed());
    assertArrayEquals(['open', 'closed'], heard);
    assertFalse(fake.isOpen);
    assertEquals(0, googEvents.removeAll(client));
  },
});
