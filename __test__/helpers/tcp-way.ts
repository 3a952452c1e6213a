import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a server on which things go wrong, as they do on a network. */
export interface Way {
  readonly port: number
  /** Nothing arrives any more, on either side. */
  hold(): void
  /** What was held arrives, and all else. */
  release(): void
  /** Ends all connections at once; what was on its way is lost. */
  cut(): void
  close(): void
}

/** Makes one to a port of this machine. Each piece takes so many milliseconds, and arrives in its order, as TCP has it. */
export async function wayTo(port: number, delayMs: () => number): Promise<Way> {
  let held: (() => void)[] | undefined
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from)
    let last = Promise.resolve()
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on('data', (bytes) => {
      const arrive = (): void => void (to.destroyed || to.write(bytes))
      const due = new Promise((resolve) => setTimeout(resolve, delayMs()))
      last = last.then(() => due).then(() => void (held === undefined ? arrive() : held.push(arrive)))
    })
  }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    pass(client, upstream)
    pass(upstream, client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => sockets.forEach((socket) => socket.destroy())
  return {
    port: (server.address() as AddressInfo).port,
    hold() {
      held ??= []
    },
    release() {
      const all = held ?? []
      held = undefined
      all.forEach((arrive) => arrive())
    },
    cut,
    close() {
      cut()
      server.close()
    },
  }
}
