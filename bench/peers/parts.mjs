// An async generator read through a bus: each part is put into an envelope, carried in the next turn, and opened by the reader,
// who lets so many come ahead of him. `seal` and `open` are what differs between peers.
const WINDOW = 32

export async function* carried(source, seal, open) {
  const waiting = []
  let [over, wakeReader, wakeWriter] = [false, undefined, undefined]
  const wake = () => {
    wakeReader?.()
    wakeReader = undefined
  }
  const writing = (async () => {
    let seq = 0
    for await (const part of source) {
      if (over) return
      waiting.push(seal(seq++, part))
      queueMicrotask(wake)
      if (waiting.length >= WINDOW) await new Promise((resolve) => (wakeWriter = resolve))
    }
    over = true
    wake()
  })()
  try {
    for (let seq = 0; ; seq += 1) {
      while (waiting.length === 0 && !over) await new Promise((resolve) => (wakeReader = resolve))
      if (waiting.length === 0) break
      const envelope = waiting.shift()
      if (waiting.length < WINDOW / 2) {
        wakeWriter?.()
        wakeWriter = undefined
      }
      yield open(seq, envelope)
    }
  } finally {
    over = true
    wakeWriter?.()
    await writing
  }
}
