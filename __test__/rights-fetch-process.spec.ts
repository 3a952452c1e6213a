import { describe, expect, test } from 'vitest'
import { node } from './helpers/child.ts'
import { issuer, token } from './helpers/jwks.ts'

describe('the built-in client', () => {
  describe('and the life of a process', () => {
    /** A program that asks a server which says nothing. */
    const silent = `
      import { createServer } from 'node:net'
      import { createRequire } from 'node:module'
      import { Worker, isMainThread } from 'node:worker_threads'
      import { Identity } from '@private.me/autogen'
import { TokenVerifier } from '@private.me/autogen/tokens'
      const server = createServer(() => {}).listen(0, '127.0.0.1').unref()
      await new Promise((resolve) => server.on('listening', resolve))
      const jwks = 'http://localhost:' + server.address().port + '/'
      const verifier = new TokenVerifier({ audience: 'x', trust: [{ issuer: '${issuer}', jwks }] })
      const asked = verifier.verify('${token()}')
    `
    test.each([
      ['process.exit() in the middle of it', 'process.exit(7)', 7],
      ['process.exit() a little later', 'setTimeout(() => process.exit(7), 50)', 7],
      ['an exception', "throw new Error('x')", 1],
    ])('%s ends it', async (_, then, code) => {
      const ended = await node(silent + then)
      expect([ended.code, ended.stdout]).toEqual([code, ''])
    })

    test('it is waited for until its time is over, and no longer', async () => {
      const { code, stdout, stderr } = await node(`${silent}
        asked.then(({ error }) => console.log(error.message))
        server.unref()
      `)
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toBe(`the keys of ${issuer} were not fetched: no answer within 5000 ms\n`)
    })

    test('worker threads that are killed in the middle of it', async () => {
      const { code, stdout, stderr } = await node(`
        import { createServer } from 'node:net'
        import { Worker } from 'node:worker_threads'
        const server = createServer(() => {}).listen(0, '127.0.0.1')
        await new Promise((resolve) => server.on('listening', resolve))
        const program = \`
          const { parentPort, workerData } = require('node:worker_threads')
          const { TokenVerifier } = require('@private.me/autogen/tokens')
          for (let i = 0; i < 20; i++) {
            const verifier = new TokenVerifier({ audience: 'x', trust: [{ issuer: '${issuer}', jwks: workerData + i }] })
            void verifier.verify('${token()}')
          }
          parentPort.postMessage('asked')
          if (workerData.endsWith('1/')) setTimeout(() => process.exit(), 5)
        \`
        for (let i = 0; i < 8; i++) {
          const worker = new Worker(program, { eval: true, execArgv: [], workerData: 'http://localhost:' + server.address().port + '/' + i + '/' })
          await new Promise((resolve) => worker.once('message', resolve))
          await worker.terminate()
        }
        console.log('done')
        server.close()
        process.exit()
      `)
      expect([code, stdout, stderr]).toEqual([0, 'done\n', ''])
    })
  })
})
