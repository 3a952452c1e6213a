import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Package {
  manifest: { name: string; version: string }
  /** Absent for the packages of other machines: a client may ask for what they are, never for what they hold. */
  tarball?: Buffer
}

/** An npm registry of a few packages, on the loopback interface. */
export async function serve(packages: Package[]): Promise<{ url: string; close: () => void }> {
  const answers = new Map<string, () => Buffer>()
  const server = createServer((request, response) => {
    const answer = answers.get(decodeURIComponent(request.url ?? '').toLowerCase())
    response.writeHead(answer ? 200 : 404).end(answer?.())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const { manifest, tarball } of packages) {
    // The digest in the path keeps clients from answering out of a cache of an earlier build of this version.
    const path = `/${createHash('sha256')
      .update(tarball ?? manifest.name)
      .digest('hex')}/${manifest.version}.tgz`
    const dist = { tarball: url + path, ...(tarball && { integrity: integrity(tarball) }) }
    const document = {
      name: manifest.name,
      'dist-tags': { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
    }
    answers.set(`/${manifest.name}`, () => Buffer.from(JSON.stringify(document)))
    if (tarball) answers.set(path, () => tarball)
  }
  return { url, close: () => server.close() }
}

function integrity(tarball: Buffer): string {
  return `sha512-${createHash('sha512').update(tarball).digest('base64')}`
}
