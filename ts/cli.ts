// The command `xbind`: all of it is in the addon, and this writes what it says.
import { native } from './native'

interface Piece {
  out: string
  said: string
  exit?: number
}

const command = native.startCommand(process.argv.slice(2))

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  let asked = false
  process.on(signal, () => {
    if (asked || !native.stopCommand(command)) process.exit(130)
    asked = true
  })
}

// Whoever reads no more has enough.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(0))

const written = (stream: NodeJS.WriteStream, text: string): Promise<void> =>
  new Promise((resolve) => {
    if (text === '') resolve()
    else stream.write(text, () => resolve())
  })

async function talk(): Promise<never> {
  for (;;) {
    const piece = JSON.parse(await native.nextOutput(command)) as Piece
    await written(process.stderr, piece.said)
    await written(process.stdout, piece.out)
    if (piece.exit !== undefined) process.exit(piece.exit)
  }
}

void talk()
