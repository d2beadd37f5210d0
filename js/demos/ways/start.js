/**
 * @fileoverview Starts the uncompiled Closure page, or says what it lacks. It
 * holds nothing of the page itself, which is hello.js.
 */

if (typeof goog === 'undefined') {
  const reason = document.getElementById('reason');
  reason.hidden = false;
  reason.textContent =
      'This page needs base.js of the Closure Library, which is not part of QMQ. ' +
      'In a checkout of QMQ “npm ci” brings it; start the gateway again then. ' +
      'The compiled page needs nothing.';
  document.getElementById('state').dataset.state = 'off';
  document.getElementById('state').textContent = 'not loaded';
  document.getElementById('wave').disabled = true;
} else {
  goog.require('qmq.demo.hello');
}
