// Agents on several machines: one bus over NATS, which a program's agents join as they join any other.
export { connect, type ConnectOptions, type MailboxOptions, type NatsBus } from './nats/bus'
export { authKeys, serveAuth, type AuthOptions, type AuthService } from './nats/auth'
export type { ReachOptions } from './nats/reach'
export { serveStops, type Stoppable, type StopsOptions, type StopsService } from './nats/stops'
