import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { authority } from './authority.ts'
import { issuer } from './issuer.ts'

/** What the operator grants each of his agents. */
const AGENTS = {
  planner: ['notes:write'],
  researcher: ['plan:read'],
  analyst: ['notes:read'],
  writer: ['analysis:read'],
}

/** An authority with four agents, which act for users of an issuer on this machine. */
export async function workflow() {
  const own = await authority()
  const users = await issuer('authority')
  const file = (name: string, json: object) => {
    const path = join(own.dir, name)
    writeFileSync(path, JSON.stringify(json))
    return path
  }
  for (const [name, scopes] of Object.entries(AGENTS)) await own.join(name, ...scopes)
  const entry = { issuer: users.url, audience: 'authority', algorithms: ['EdDSA'] }
  await own.serve('--issuers', file('issuers.json', { issuers: [entry] }))
  const scopes = { workspace: Object.values(AGENTS).flat(), reading: ['plan:read', 'notes:read', 'analysis:read'] }
  /** Whose users its operator takes. */
  const takes = (issuers: object[]) => own.xbind('exchange', 'set', file('users.json', { issuers }))
  await takes([{ issuer: users.url, scopes }])
  return {
    authority: own,
    users,
    takes,
    /** What a program has to know of it, for a user who has signed in. */
    env: (user: string) => ({
      XBIND_DIR: own.dir,
      AUTHORITY_URL: own.url,
      AUTHORITY_DID: own.did,
      USER_TOKEN: users.token(user),
    }),
    async stop() {
      await users.stop()
      await own.stop()
    },
  }
}
