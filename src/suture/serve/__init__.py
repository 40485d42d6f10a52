"""A local server that speaks OpenAI's protocol: one base model, many patches and memories, each request with its own.

    protocol.py requests and answers as they are on the wire        detokenizer.py   the text of a growing row of ids
    engine.py   one thread that runs the model; batch.py            rows join and leave between two tokens
    request.py  one text that is asked for                          tasks.py         what else needs the model for a moment
    app.py      addresses, streams, who may ask                     error_responses.py   what is told when one is not answered
    run.py      listens until it is stopped                         limits.py        what can never fit
Needs starlette and uvicorn: pip install 'suture[serve]'.
"""
