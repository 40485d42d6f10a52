"""A local server that speaks OpenAI's protocol: one base model, many patches and memories, each request with its own.

    protocol.py requests as they are on the wire; fields.py     answers.py   whole ones and streams; token_texts.py
    app.py      addresses; doors.py: who may ask                model_names.py   "patient:kind@0.5"
    streams.py  between a connection and the engine             error_responses.py   what is told when one is not answered
    engine.py   one thread that runs the model; batch.py        rows join and leave between two tokens
    request.py  one text that is asked for; detokenizer.py      logprobs.py      how likely tokens are, a prompt's too
    prompt_readers.py   texts made into ids                     tasks.py         what else needs the model for a moment
    run.py      listens until it is stopped                     limits.py        what can never fit
Needs starlette and uvicorn: pip install 'suture[serve]'.
"""
