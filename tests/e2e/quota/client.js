// SPDX-License-Identifier: Apache-2.0
//
// A client of the rate limit service that is not ours: @grpc/grpc-js with the public contract.
// Makes each call of standard input, a JSON list of {service, method, request}, in turn; prints a
// list of {response} or {code, details}.
//
// Usage: node client.js TARGET PROTO_DIR < calls
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const FILES = [
  'envoy/service/ratelimit/v3/rls.proto',
  'grpc/health/v1/health.proto',
  'headgate/quota/v1/quota.proto',
];

async function main([target, protos]) {
  const definition = loader.loadSync(
      FILES,
      {includeDirs: [protos], keepCase: true, defaults: true, enums: String, longs: Number});
  const services = grpc.loadPackageDefinition(definition);
  const at = (path) => path.split('.').reduce((scope, name) => scope[name], services);
  const clients = {};
  const make = ({service, method, request}) => new Promise((done) => {
    clients[service] ??= new (at(service))(target, grpc.credentials.createInsecure());
    clients[service][method](request, {deadline: Date.now() + 5000}, (error, response) => {
      done(error ? {code: error.code, details: error.details} : {response});
    });
  });
  const results = [];
  for (const call of JSON.parse(fs.readFileSync(0))) results.push(await make(call));
  for (const client of Object.values(clients)) client.close();
  console.log(JSON.stringify(results));
}

main(process.argv.slice(2));
