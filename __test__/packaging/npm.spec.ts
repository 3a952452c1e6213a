import { everyTool } from './tools.ts'

everyTool('npm')
