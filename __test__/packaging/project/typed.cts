import autogen = require('@private.me/autogen')

const agent: autogen.AutoGenxBindAgent = new autogen.AutoGenxBindAgent()
const did: string = agent.getDID()
// @ts-expect-error: a DID is a string
const wrong: number = agent.getDID()
agent.close()
export = { did, wrong }
