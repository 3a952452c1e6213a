/** The path of a nats-server 2.11 or newer. Throws where there is none, and none can be had. */
export declare function natsServer(): string
