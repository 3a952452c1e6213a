// Request and reply of nats.js: JSON text both ways. It proves nothing about anybody.
import { connect } from '@nats-io/transport-node'
import { natsFleet } from './nats-fleet.mjs'

export const nats = natsFleet(import.meta.url)

export async function answers(servers, space, count, handler) {
  const connection = await connect({ servers })
  for (let at = 0; at < count; at += 1) {
    const callback = async (error, message) => {
      if (error) throw error
      message.respond(JSON.stringify(await handler({ payload: message.json() })))
    }
    connection.subscribe(`${space}.agent-${at}`, { callback })
  }
  await connection.flush()
  return { shown: true }
}

export async function calls(servers, space) {
  const connection = await connect({ servers })
  const options = { timeout: 100_000 }
  const call = async (_, to, payload) =>
    (await connection.request(`${space}.agent-${to}`, JSON.stringify(payload), options)).json()
  return { call, close: () => connection.close() }
}
