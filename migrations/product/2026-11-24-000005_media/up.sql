-- Images whose files are ours: one row each. Its files are named after it (an image of 2000 x 1500 pixels has files of 320,
-- 640 and 1280 pixels beside its own), and are in the folder of the media.
CREATE TABLE media (
    name          TEXT PRIMARY KEY CHECK (name ~ '^[0-9a-f]{40}-[1-9][0-9]{0,4}x[1-9][0-9]{0,4}[.](jpg|png)$'),
    -- When it was uploaded, or began or ceased to be an image of some product, whatever came last.
    referenced_at TIMESTAMPTZ NOT NULL,
    -- Its files are about to go, or are gone: no product may begin to refer to it until it is uploaded anew.
    doomed        BOOLEAN NOT NULL DEFAULT FALSE,
    created_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX media_doomed ON media (name) WHERE doomed;

-- Which products show which images.
CREATE TABLE media_references (
    product_id UUID NOT NULL REFERENCES products (id),
    name       TEXT NOT NULL REFERENCES media (name),
    PRIMARY KEY (product_id, name)
);
CREATE INDEX media_references_name ON media_references (name);
