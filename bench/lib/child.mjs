// The inside of a competitor's process: loads the peer and the suite, and measures on request.
const [peerName, moduleName] = process.argv.slice(2)
const { measure } = await import(`../${moduleName}.mjs`)
const loading = import(`../peers/${peerName}.mjs`).then(
  (peer) => ({ peer }),
  (error) => ({ error }),
)
const state = {} // kept between the rounds of one process

process.on('message', async (params) => {
  try {
    const { peer, error } = await loading
    if (error) throw error
    process.send({ result: await measure(peer, params, state) })
  } catch (error) {
    process.send({ error: error?.message ?? String(error) })
  }
})
process.on('disconnect', () => process.exit())
