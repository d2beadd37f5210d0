// The script tag: a file without imports, and qmq as a global.

/// <reference path="../../js/qmq.d.ts" />

const page: qmq.Client = qmq.connect('/stomp');
page.onerror = (error: qmq.Error) => error.retry;
