"""An OpenAI server around one transformers model, in a process of its own. Only the child imports all of it;
`evalsuite.training` takes what decodes (requests and below) for the model that is being trained.

    child         loads, reports to its parent, serves
    application   HTTP: routes, streams, what is refused
    requests      what a request names is looked up, its prompt becomes tokens
    asked         request bodies → what is to be generated
    engine        one thread that does all the work of the model, batch by batch
    batch         rows that are decoded together: joining, stepping, leaving
    model         the weights, their tokenizer, and the adapters on them
    rows          one reply in the making: tokens → text, stop strings, log-probabilities
    sampling      logits → the next token
    replies       what is sent back

Everything a request may ask for is either done or refused with HTTP 400; nothing is left out silently.
"""
