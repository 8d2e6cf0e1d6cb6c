"""An OpenAI server around one transformers model, in a process of its own.

Only the child process imports all of it. `evalsuite.training` uses the modules that decode (`requests` and below) for the
model in training.

    child           loads the model, reports to its parent, serves
    application     HTTP: routes, streams, refusals
    requests        finds the model a request names, turns its prompt into tokens
    request_parser  request bodies → generation settings
    engine          one thread that runs the model, batch by batch
    batch           rows that are decoded together: join, step, leave
    model           the weights, their tokenizer and their adapters
    rows            one reply being generated: tokens → text, stop strings, log-probabilities
    sampling        logits → the next token
    replies         the response bodies

A field of a request is either honoured or refused with HTTP 400; nothing is silently ignored.
"""
