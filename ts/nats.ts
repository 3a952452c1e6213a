// Agents on several machines: one bus over NATS, which a program's agents join as they join any other.
export { connect, type ConnectOptions, type NatsBus } from './nats/bus'
