"""What a message queue is: messages, destinations, subscriptions, hubs. No wire protocol, no sockets, no clock."""
